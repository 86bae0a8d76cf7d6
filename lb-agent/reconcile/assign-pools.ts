// SPDX-License-Identifier: Apache-2.0
import type { Pool } from '../../registry/index.js';
import { lowestFree } from './free-index.js';
import { sameRing, type Tables, vipKey } from './tables.js';

/**
 * The index of each pool, by name. A pool is the one that had its VIPs: names can change, VIPs
 * are what clients see. A pool with none of them takes an index that is not in use, so that
 * tables which carry traffic never change their meaning under it.
 *
 * VIPs can move between pools. A pool that some enter must be complete before, one that some
 * leave must stay as it is until then; to be both, it takes a fresh index, which all of its
 * VIPs enter.
 *
 * @param end one more than the highest index that there is
 * @throws CidecarError MAP_FULL
 */
export function assignPools(
  pools: readonly Pool[],
  actual: Tables,
  end: number,
): Map<string, number> {
  const taken = new Set<number>();
  const indices = new Map<string, number>();
  const take = (name: string, index: number) => {
    taken.add(index);
    indices.set(name, index);
  };
  for (const { name, vips } of pools) {
    const had = vips
      .map((vip) => actual.vips.get(vipKey(vip))?.pool)
      .find((index) => index !== undefined && !taken.has(index));
    if (had !== undefined) take(name, had);
  }
  const takeFresh = (name: string) => {
    const free = (index: number) => !taken.has(index) && !actual.pools.has(index);
    take(name, lowestFree(0, end, 'pools', free));
  };
  for (const { name } of pools) if (!indices.has(name)) takeFresh(name);
  for (;;) {
    const torn = enteredAndLeft(pools, indices, actual);
    if (torn === undefined) return indices;
    takeFresh(torn.name);
  }
}

function enteredAndLeft(
  pools: readonly Pool[],
  indices: ReadonlyMap<string, number>,
  actual: Tables,
): Pool | undefined {
  const entered = new Set<number>();
  const left = new Set<number>();
  for (const { name, vips } of pools) {
    const index = indices.get(name);
    for (const vip of vips) {
      const before = actual.vips.get(vipKey(vip))?.pool;
      if (before === undefined || index === undefined || before === index) continue;
      entered.add(index);
      left.add(before);
    }
  }
  return pools.find(({ name }) => {
    const index = indices.get(name);
    return index !== undefined && entered.has(index) && left.has(index);
  });
}

/**
 * The row of counters of each VIP, by {@link vipKey}. A new VIP takes one in which no present
 * VIP counts, not even one that is about to go.
 *
 * @param end one more than the last row
 * @throws CidecarError MAP_FULL
 */
export function assignRows(
  pools: readonly Pool[],
  actual: Tables,
  end: number,
): Map<string, number> {
  const rows = new Map<string, number>();
  const taken = new Set([...actual.vips.values()].map(({ row }) => row));
  for (const key of pools.flatMap(({ vips }) => vips.map(vipKey))) {
    const row =
      actual.vips.get(key)?.row ?? lowestFree(1, end, 'VIPs', (index) => !taken.has(index));
    taken.add(row);
    rows.set(key, row);
  }
  return rows;
}

/**
 * Gives the ring of each pool its number: that of a ring which VIPs of this pool name, and no
 * others, and which has as many entries, so that it can be changed in place; else a new one.
 *
 * @param wanted rings by index of the pool
 * @returns the number of each pool's ring
 */
export function assignRings(
  wanted: ReadonlyMap<number, Uint32Array>,
  actual: Tables,
): Map<number, number> {
  const pools = new Map<number, Set<number>>();
  for (const { ring, pool } of actual.vips.values()) {
    if (ring === null) continue;
    const known = pools.get(ring);
    if (known === undefined) pools.set(ring, new Set([pool]));
    else known.add(pool);
  }
  const numbers = new Map<number, number>();
  let next = 1;
  for (const [pool, reals] of wanted) {
    // An agent that died while VIPs turned to another ring has left two of them.
    const fitting = [...pools]
      .filter(([, of]) => of.size === 1 && of.has(pool))
      .filter(([ring]) => actual.rings.get(ring)?.length === reals.length)
      .map(([ring]) => ring);
    const same = fitting.find((ring) => sameRing(actual.rings.get(ring) ?? reals, reals));
    const present = same ?? fitting[0];
    if (present === undefined) while (actual.rings.has(next)) next++;
    numbers.set(pool, present ?? next++);
  }
  return numbers;
}
