// SPDX-License-Identifier: Apache-2.0
import type { Pool, Server } from '../../registry/index.js';
import { type Tables, vipKey } from './tables.js';

/** Indices of reals are below this. */
const REALS = 65_536;

/** Whether the real with this index serves another pool in the tables than the server should. */
export type HasMoved = (server: Server, index: number) => boolean;

/**
 * Tells servers that moved to another pool from those that stayed. A remembered flow names a
 * real and no pool, so a server that moves must be another real, or it would go on to get the
 * flows of the VIPs that it has left.
 *
 * A pool is also where its VIPs are in the tables: it may take another index without having
 * changed, and a server that moves together with its VIP keeps the flows of that VIP.
 *
 * @param indices of the pools, by name
 */
export function movedServers(
  pools: readonly Pool[],
  indices: ReadonlyMap<string, number>,
  actual: Tables,
): HasMoved {
  const serving = poolsOfReals(actual);
  const homes = new Map<string, ReadonlySet<number | undefined>>();
  for (const { name, vips, servers } of pools) {
    const home = new Set(vips.map((vip) => actual.vips.get(vipKey(vip))?.pool));
    home.add(indices.get(name));
    for (const server of servers) homes.set(server.name, home);
  }
  return ({ name }, index) => {
    const [home, served] = [homes.get(name), serving.get(index)];
    return home !== undefined && served !== undefined && !served.some((pool) => home.has(pool));
  };
}

/** The pools whose server IDs or rings lead to a real, by its index. */
function poolsOfReals({ pools, vips, rings }: Tables): Map<number, number[]> {
  const serving = new Map<number, number[]>();
  const add = (real: number, pool: number) => {
    const known = serving.get(real);
    if (known === undefined) serving.set(real, [pool]);
    else if (!known.includes(pool)) known.push(pool);
  };
  for (const [pool, { configs }] of pools) {
    for (const { ids } of configs.values()) for (const real of ids.keys()) add(real, pool);
  }
  const seen = new Set<string>();
  for (const { pool, ring } of vips.values()) {
    if (ring === null || seen.has(`${pool} ${ring}`)) continue;
    seen.add(`${pool} ${ring}`);
    // A ring has a hundred entries and more for each real.
    const known = new Uint8Array(REALS);
    for (const real of rings.get(ring) ?? []) {
      if (known[real] === 1) continue;
      known[real] = 1;
      add(real, pool);
    }
  }
  return serving;
}
