// SPDX-License-Identifier: Apache-2.0
import { ITEMS_PER_STEP, type Steps } from '../document/steps.js';
import type { DesiredState, Pool, Server } from '../types.js';

/** Where a server stands in a state. */
export interface ServerPlace {
  readonly server: Server;
  readonly pool: Pool;
  /** In the list of the pool. */
  readonly index: number;
}

/** Which pool and server of the one state is which of the other, by whatever name. */
export interface Counterparts {
  /** Of each pool of the former state that is still there, what it is now. */
  readonly pools: ReadonlyMap<Pool, Pool>;
  /**
   * Of each server of the former state that is still there, what it is now; it may be in another
   * pool.
   */
  readonly servers: ReadonlyMap<Server, ServerPlace>;
}

/**
 * Pairs pools and servers of two states: those of one name, and of the others those that were
 * renamed. A renamed server kept its address and its pool; a renamed pool kept a server or a VIP.
 */
export function* findCounterparts(before: DesiredState, after: DesiredState): Steps<Counterparts> {
  const now = yield* placesOf(after);
  const pools = pairPools(before, after, now);
  const servers = new Map<Server, ServerPlace>();
  const named = new Set<Server>();
  let count = 0;
  for (const pool of before.pools) {
    for (const server of pool.servers) {
      if (++count % ITEMS_PER_STEP === 0) yield;
      const place = now.get(server.name);
      if (place === undefined) continue;
      servers.set(server, place);
      named.add(place.server);
    }
  }
  for (const [pool, present] of pools) yield* pairRenamed(pool, present, servers, named);
  return { pools, servers };
}

function* placesOf(state: DesiredState): Steps<Map<string, ServerPlace>> {
  const places = new Map<string, ServerPlace>();
  for (const pool of state.pools) {
    for (const [index, server] of pool.servers.entries()) {
      if (index % ITEMS_PER_STEP === 0) yield;
      places.set(server.name, { server, pool, index });
    }
  }
  return places;
}

function pairPools(
  before: DesiredState,
  after: DesiredState,
  now: ReadonlyMap<string, ServerPlace>,
): Map<Pool, Pool> {
  const named = new Map(after.pools.map((pool) => [pool.name, pool]));
  const formerNames = new Set(before.pools.map(({ name }) => name));
  const added = new Set(after.pools.filter(({ name }) => !formerNames.has(name)));
  const poolOfVip = new Map(
    [...added].flatMap((pool) => pool.vips.map((vip) => [vipKey(vip), pool] as const)),
  );
  const pairs = new Map<Pool, Pool>();
  for (const pool of before.pools) {
    let present = named.get(pool.name);
    if (present === undefined) {
      const candidates = [
        ...pool.servers.map(({ name }) => now.get(name)?.pool),
        ...pool.vips.map((vip) => poolOfVip.get(vipKey(vip))),
      ];
      present = candidates.find((each) => each !== undefined && added.has(each));
      if (present !== undefined) added.delete(present);
    }
    if (present !== undefined) pairs.set(pool, present);
  }
  return pairs;
}

/** Pairs servers of a pool that have no namesake by their addresses. */
function* pairRenamed(
  pool: Pool,
  present: Pool,
  servers: Map<Server, ServerPlace>,
  named: ReadonlySet<Server>,
): Steps<void> {
  const gone = pool.servers.filter((server) => !servers.has(server));
  if (gone.length === 0) return;
  const fresh = new Map<string, ServerPlace>();
  for (const [index, server] of present.servers.entries()) {
    if (index % ITEMS_PER_STEP === 0) yield;
    if (!named.has(server)) fresh.set(server.address, { server, pool: present, index });
  }
  for (const server of gone) {
    const place = fresh.get(server.address);
    if (place === undefined) continue;
    servers.set(server, place);
    fresh.delete(server.address);
  }
}

/** Tells VIPs apart. */
export function vipKey({ protocol, address, port }: Pool['vips'][number]): string {
  return `${protocol} ${address} ${port}`;
}
