// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { integer } from '../../../document/shape.js';

/** `events/<number>`: who changed what, for people, under a lease of some days. */
export const eventValue = z.object({
  /** Who did it: `cidctl root@host`, `agent lb-1`, `sidecar web-1`. */
  by: z.string(),
  /** What was done, in one word: `apply`, `rotate`, `allocate`. */
  what: z.string(),
  /** The changes in words, the first of many. */
  changes: z.array(z.string()).default([]),
  /** Steps that were forced, by name. */
  forced: z.array(z.string()).default([]),
  /** The writer's clock, ISO 8601, for people; nothing compares it. */
  at: z.string(),
  pool: z.string().optional(),
  /** The revision that it was decided on. */
  seen: integer(0, Number.MAX_SAFE_INTEGER).optional(),
});

export type EventValue = z.input<typeof eventValue>;
