// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { MAP_NAMES } from './balancer-handles.js';
import * as layout from './layout.js';
import { REASONS } from './reasons.js';

/** Raise this when tables change their meaning in the same layout: a hash, a unit. */
const MEANING = 2;

/**
 * Tells which tables this build can read: those with the same maps, layout and meaning. It is
 * the name of an empty folder among the pins, and so can be looked for before anything is
 * opened.
 */
export const ABI_MARK = `abi-${createHash('sha256')
  .update(
    JSON.stringify([
      ...[MEANING, MAP_NAMES, REASONS],
      Object.entries(layout).sort(([a], [b]) => (a < b ? -1 : 1)),
    ]),
  )
  .digest('hex')
  .slice(0, 12)}`;

export const OBJECT_MARK_PREFIX = 'object-';

/** Names the object file of a program in the same way: another mark means another build. */
export function objectMark(path: string): string {
  return `${OBJECT_MARK_PREFIX}${createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 32)}`;
}
