// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { MAX_SERVER_IDS } from '../../../document/limits.js';
import {
  integer,
  name,
  needs,
  type PoolFieldsShape,
  poolFieldsShape,
  type ServerFieldsShape,
  serverFieldsShape,
} from '../../../document/shape.js';
import { valueText } from '../read-value.js';

// The values of the desired state, but for configs (config.ts). They are read strictly, as a
// document is: a field that is misspelt by hand must not silently have its default.

/** A pool, besides its configs, servers and IDs: the fields of a document's pool. */
export const poolValue: z.ZodType<PoolValue> = poolFieldsShape;
export type PoolValue = PoolFieldsShape;

/**
 * A server, besides its name, which is in the key, and its IDs: the fields of a document's
 * server. `registered` where its sidecar registered it: apply and export leave those alone.
 */
export const serverValue: z.ZodType<ServerValue> = serverFieldsShape;
export type ServerValue = ServerFieldsShape;

/** Who owns a run of consecutive IDs, which begins at the ID in the key. */
export const idValue: z.ZodType<IdValue> = z.strictObject(
  {
    server: name('server'),
    count: integer(1, MAX_SERVER_IDS).default(1),
    allocated: z.literal(true, needs('true, or left out')).optional(),
  },
  needs('a mapping with server and count'),
);

export interface IdValue {
  readonly server: string;
  /** IDs of the run, 1 or more. */
  readonly count: number;
  /** Handed out by allocation, and named by no document: apply and export leave it alone. */
  readonly allocated?: true | undefined;
}

/** The text of a run as it is put into etcd. */
export function idValueText({ server, count, allocated }: IdValue): string {
  return valueText({ server, ...(count > 1 && { count }), ...(allocated && { allocated }) });
}
