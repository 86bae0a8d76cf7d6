// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { MapName } from './balancer-capacity.js';
import * as layout from './layout.js';
import { REASONS } from './reasons.js';

/** Every map of the packet program that user space holds, by its name in maps.h. */
export const MAP_NAMES: readonly MapName[] = [
  'vip_table',
  'config_index',
  'configs',
  'server_ids',
  'rings',
  'reals',
  'flows',
  'vip_stats',
  'real_stats',
  'events',
];

/** To be raised when tables change their meaning in the same layout: a hash, a unit. */
const MEANING = 1;

/**
 * The mark is made of the names of fields too. That of the incarnation had another name when
 * tables were first pinned, and a new name alone must not make them unreadable.
 */
function realUnderFirstName({ incarnation, ...rest }: typeof layout.REAL): object {
  const entries = Object.entries(rest);
  const at = entries.findIndex(([name]) => name === 'source_mac') + 1;
  return Object.fromEntries([
    ...entries.slice(0, at),
    ['generation', incarnation],
    ...entries.slice(at),
  ]);
}

/**
 * Tells tables apart that this build must not read: those with other maps, another layout or
 * another meaning. It is the name of an empty folder among the pins, so that it is there
 * whatever else was lost or has changed.
 */
export const ABI_MARK = `abi-${createHash('sha256')
  .update(
    JSON.stringify([
      ...[MEANING, MAP_NAMES, REASONS],
      Object.entries(layout)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) =>
          name === 'REAL' ? [name, realUnderFirstName(layout.REAL)] : [name, value],
        ),
    ]),
  )
  .digest('hex')
  .slice(0, 12)}`;

/** Names the object file of a program in the same way: another one means another build. */
export function objectMark(path: string): string {
  return `object-${createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 32)}`;
}
