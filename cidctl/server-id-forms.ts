// SPDX-License-Identifier: Apache-2.0
import type { Scheme } from '../cid/index.js';

interface PrintedForms {
  /** To be spread into JSON output. */
  readonly json: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Lines for people. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** A server ID as other tools of its scheme write it; nothing where it is written in hex only. */
export function formsOf({ serverIdForms }: Scheme, serverId: Uint8Array): PrintedForms {
  if (serverIdForms === undefined) return { json: {}, fields: [] };
  const forms = serverIdForms.format(serverId);
  return {
    json: { [serverIdForms.jsonField]: forms },
    fields: [[serverIdForms.label, Object.values(forms).join(' ')]],
  };
}
