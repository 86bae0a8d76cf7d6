// SPDX-License-Identifier: Apache-2.0
import type { BpfMap } from '../binding/index.js';
import type { MapName } from './balancer-capacity.js';

/**
 * The maps that outlive the tables beside which they came to be: remembered flows, and
 * counters. A flow names a real by index and incarnation, and a counter stands in a row, so
 * both stay right in other tables in which index, incarnation and row mean the same.
 */
const REUSABLE = ['flows', 'vip_stats', 'real_stats'] as const satisfies readonly MapName[];

/** A map of counters that is larger than needed by more than this factor is not used again. */
const MOST_TIMES_NEEDED = 4;

/**
 * The maps that new tables of these sizes can use as they are. The old program and the new one
 * then count in one map and remember in one, and nothing has to be copied while packets flow.
 *
 * @param from the maps of the tables in use
 * @param sizes entries of the new tables
 */
export function reusableMaps(
  from: (name: MapName) => BpfMap,
  sizes: Readonly<Record<MapName, number>>,
): Map<MapName, BpfMap> {
  const maps = REUSABLE.map((name): [MapName, BpfMap] => [name, from(name)]);
  return new Map(maps.filter(([name, map]) => fits(name, map.info.maxEntries, sizes[name])));
}

function fits(name: MapName, entries: number, needed: number): boolean {
  // A flow's place depends on the number of buckets.
  if (name === 'flows') return entries === needed;
  return entries >= needed && entries <= MOST_TIMES_NEEDED * needed;
}
