// SPDX-License-Identifier: Apache-2.0
import type { Server } from '../../registry/index.js';
import { lowestFree } from './free-index.js';
import type { Cooldown } from './index-cooldown.js';
import type { HasMoved } from './pool-membership.js';
import type { RealEntry, Tables } from './tables.js';

/**
 * The index of each server, by name. A server whose address or encapsulation changed is a new
 * real: what is published of a real never changes. So is one that moved to another pool. The old
 * index goes into cooldown.
 *
 * @param named indices by name as they were assigned last: a hint, used only where the tables
 *   do not contradict it
 * @param end one more than the highest index that there is
 * @throws CidecarError MAP_FULL
 */
export function assignReals(
  servers: readonly Server[],
  {
    actual,
    named,
    cooldown,
    end,
    hasMoved,
  }: {
    actual: Tables;
    named: ReadonlyMap<string, number>;
    cooldown: Cooldown;
    end: number;
    hasMoved: HasMoved;
  },
): Map<string, number> {
  const reals = new Map<string, number>();
  const taken = new Set<number>();
  const take = (server: Server, index: number) => {
    taken.add(index);
    reals.set(server.name, index);
  };

  for (const server of servers) {
    const hint = named.get(server.name);
    const real = hint === undefined ? undefined : actual.reals.get(hint);
    if (hint === undefined || real === undefined || taken.has(hint)) continue;
    if (tunnelOf(real) === tunnelOf(server) && !hasMoved(server, hint)) take(server, hint);
  }
  // Names were lost, or changed: the address tells which real it is.
  const byTunnel = new Map<string, number[]>();
  for (const [index, real] of actual.reals) {
    if (taken.has(index)) continue;
    const places = byTunnel.get(tunnelOf(real));
    if (places === undefined) byTunnel.set(tunnelOf(real), [index]);
    else places.push(index);
  }
  for (const server of servers) {
    if (reals.has(server.name)) continue;
    const places = byTunnel.get(tunnelOf(server)) ?? [];
    const index = places.find((place) => !taken.has(place) && !hasMoved(server, place));
    if (index !== undefined) take(server, index);
  }
  let next = 1;
  for (const server of servers) {
    if (reals.has(server.name)) continue;
    next = lowestFree(
      next,
      end,
      'servers',
      (index) => !taken.has(index) && !actual.reals.has(index) && !cooldown.holds(index),
    );
    take(server, next);
  }
  return reals;
}

function tunnelOf({ encapsulation, address }: Pick<RealEntry, 'address' | 'encapsulation'>) {
  return `${encapsulation} ${address}`;
}
