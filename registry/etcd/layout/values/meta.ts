// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { LAYOUT_VERSION } from '../keys.js';

/** What the first apply writes, once. */
export const metaValue = z.object({
  /** A host that knows only other layouts refuses the registry and says which one it has. */
  layout: z.literal(LAYOUT_VERSION, {
    error: ({ input }) =>
      `must be ${LAYOUT_VERSION}, not ${String(input)}: this registry was made by another version`,
  }),
  /** Salt of the digests of configs (digest.ts), in hex. */
  salt: z.string().regex(/^[0-9a-f]{32,}$/, 'must be 32 hex digits or more'),
});

export type MetaValue = z.infer<typeof metaValue>;
