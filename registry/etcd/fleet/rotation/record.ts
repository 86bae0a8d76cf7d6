// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { integer, needs } from '../../../document/shape.js';
import { valueText } from '../../layout/index.js';

/**
 * How far a rotation is. `from` is the config that minted before it, `to` the one that it brings.
 *
 * - `asked`: somebody wants it; there is no new config yet.
 * - `staged`: `to` is staged, and servers get their IDs under it.
 * - `minting`: `to` mints, and `from` is retiring.
 * - `quarantined`: the config that leaves is quarantined: `from`, or `to` after an abort.
 * - `over`: the config that left is gone, its key with it.
 *
 * Only after an abort:
 *
 * - `restoring`: `from` is staged until balancers hold it again, and servers have IDs under it: it
 *   was quarantined already, or there are servers that came since it was retiring.
 * - `withdrawn`: `from` mints, and `to` is retiring.
 */
export const ROTATION_STEPS = [
  'asked',
  'staged',
  'minting',
  'restoring',
  'withdrawn',
  'quarantined',
  'over',
] as const;

export type RotationStep = (typeof ROTATION_STEPS)[number];

/** What a person can have done although not everything speaks for it; `mint` also after an abort. */
export const FORCEABLE_STEPS = ['mint', 'quarantine', 'remove'] as const;

export type ForceableStep = (typeof FORCEABLE_STEPS)[number];

const configId = integer(0, 6);
const word = z.object({ by: z.string(), why: z.string().default('') });
const force = word.extend({ step: z.enum(FORCEABLE_STEPS) });

/** What the new config is to be; what is left out is as in the config that mints. */
const askedShape = z.object({
  id: configId.optional(),
  /** With a key, also where the former config has none. */
  key: z.boolean().optional(),
  scheme: z.string().optional(),
  /** Fields of a document's config, such as `serverIdLength`. */
  fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
});

const recordShape = z.object({
  /** Of the rotation. */
  id: z.string(),
  /** Another one with each change of the record: by it a change is known whose answer was lost. */
  stamp: z.string(),
  step: z.enum(ROTATION_STEPS),
  by: z.string(),
  /** Why it began: for people. */
  why: z.string().default(''),
  asked: askedShape.prefault({}),
  from: configId.optional(),
  to: configId.optional(),
  outcome: z.enum(['rotated', 'aborted', 'none']).optional(),
  aborted: word.optional(),
  paused: word.optional(),
  /** The next step is forced, if it is this one. */
  force: force.optional(),
  /** Why the controller does not take the next step at all. */
  refused: z.string().optional(),
  /** What was forced. */
  forced: z.array(force).default([]),
  /**
   * Seconds that passed as controllers measured them on their own clocks: of the quarantine of a
   * config whose key was changed last at revision `of`, or since the rotation was over (`of` 0).
   */
  clock: z
    .object({ of: integer(0, Number.MAX_SAFE_INTEGER), seconds: z.number(needs('seconds')).min(0) })
    .optional(),
});

/** `rotations/<pool>`. */
export type RotationRecord = z.infer<typeof recordShape>;
export type AskedConfig = z.infer<typeof askedShape>;
export const rotationRecord: z.ZodType<RotationRecord> = recordShape;

export function recordText(record: RotationRecord): string {
  return valueText(record);
}

/** The config that leaves the pool in the end. */
export function leavingConfig({ aborted, from, to }: RotationRecord): number | undefined {
  return aborted === undefined ? from : to;
}

export function isOver({ step }: RotationRecord): boolean {
  return step === 'over';
}

/** Who says something, and why. */
export type Word = z.infer<typeof word>;
