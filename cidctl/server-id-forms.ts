// SPDX-License-Identifier: Apache-2.0
import type { Scheme } from '../cid/index.js';

interface PrintedForms {
  /** Fields to add to JSON output. */
  readonly json: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Lines to add to text output. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** The other forms of a server ID than hex, if its scheme has any. */
export function formsOf({ serverIdForms }: Scheme, serverId: Uint8Array): PrintedForms {
  if (serverIdForms === undefined) return { json: {}, fields: [] };
  const forms = serverIdForms.format(serverId);
  return {
    json: { [serverIdForms.jsonField]: forms },
    fields: [[serverIdForms.label, Object.values(forms).join(' ')]],
  };
}
