// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import type { DesiredState, Pool, Server } from '../../registry/index.js';
import { IdList } from './id-list.js';
import type { Cooldown } from './index-cooldown.js';
import {
  type ConfigEntry,
  type PoolEntry,
  type RealEntry,
  type Tables,
  type VipEntry,
  vipKey,
} from './model.js';

/** Which index stands for which name. Kept on disk for names; the kernel's tables decide. */
export interface Assignment {
  readonly pools: ReadonlyMap<string, number>;
  /** By server name, which is unique in a document. */
  readonly reals: ReadonlyMap<string, number>;
}

export const NO_ASSIGNMENT: Assignment = { pools: new Map(), reals: new Map() };

export interface AssignmentInput {
  readonly desired: DesiredState;
  readonly actual: Tables;
  /** Names of before: a hint, used only where the kernel does not contradict it. */
  readonly previous: Assignment;
  readonly cooldown: Cooldown;
  /** Most indices there are, real 0 and VIP row 0 included. */
  readonly capacity: { readonly reals: number; readonly vips: number; readonly pools: number };
  /** Builds a Maglev ring; the same on every balancer for the same servers. */
  readonly buildRing: (pool: Pool, servers: readonly RingServer[]) => Uint32Array;
}

export interface RingServer {
  readonly name: string;
  readonly real: number;
  readonly weight: number;
}

export interface Assigned {
  readonly assignment: Assignment;
  readonly target: Tables;
}

/**
 * Gives every name of the desired state its index: the one that it has in the kernel
 * wherever that is possible, so that a restart, with or without the names of before,
 * changes nothing that the document did not change.
 *
 * @throws CidecarError MAP_FULL when the tables have too few places
 */
export function assign(input: AssignmentInput): Assigned {
  const { actual } = input;
  // No packet comes for a pool without a VIP, so the kernel need not know it.
  const desired = input.desired.pools.filter(({ vips }) => vips.length > 0);
  const pools = assignPools(desired, input);
  const rows = assignRows(desired, input);
  const servers = desired.flatMap((pool) => pool.servers);
  const reals = assignReals(input, servers, homesOf(desired, pools, actual));

  const realEntries = new Map<number, RealEntry>();
  for (const server of servers) {
    const index = indexOf(reals, server.name);
    const { address, encapsulation, state } = server;
    const incarnation =
      actual.reals.get(index)?.incarnation ?? input.cooldown.nextIncarnation(index);
    realEntries.set(index, { address, encapsulation, incarnation, down: state === 'down' });
  }
  const vips = new Map<string, VipEntry>();
  const poolEntries = new Map<number, PoolEntry>();
  for (const pool of desired) {
    const index = indexOf(pools, pool.name);
    for (const vip of pool.vips) {
      vips.set(vipKey(vip), { ...vip, pool: index, row: indexOf(rows, vipKey(vip)) });
    }
    poolEntries.set(index, {
      configs: configsOf(pool, reals),
      ring: input.buildRing(pool, ringServers(pool, reals)),
    });
  }
  return {
    assignment: { pools, reals },
    target: { reals: realEntries, vips, pools: poolEntries },
  };
}

function indexOf(indices: ReadonlyMap<string, number>, name: string): number {
  const index = indices.get(name);
  if (index === undefined) throw new Error(`${name} was given no index`);
  return index;
}

/** Draining and down servers take no new flows, and so does weight 0. */
function ringServers(pool: Pool, reals: ReadonlyMap<string, number>): RingServer[] {
  return pool.servers
    .filter(({ state, weight }) => state === 'active' && weight > 0)
    .map(({ name, weight }) => ({ name, weight, real: indexOf(reals, name) }));
}

function configsOf(pool: Pool, reals: ReadonlyMap<string, number>): Map<number, ConfigEntry> {
  const configs = new Map<number, ConfigEntry>();
  for (const { id, codec, state } of pool.configs) {
    if (state === 'quarantined') continue;
    const ids = new Map<number, IdList>();
    for (const server of pool.servers) {
      const list = server.serverIds.get(id);
      if (list === undefined || list.length === 0) continue;
      ids.set(indexOf(reals, server.name), IdList.of(list));
    }
    configs.set(id, { plan: codec.plan, ids });
  }
  return configs;
}

/**
 * A pool is the one that had its VIPs: names can change, VIPs are what clients see. A pool
 * with none of them takes an index that the kernel does not use, so that tables which
 * carry traffic never change their meaning under it.
 *
 * VIPs can move between pools. A pool that some enter must be complete before, one that some
 * leave must stay as it is until then; to be both, it takes a fresh index, which all of its
 * VIPs enter.
 */
function assignPools(pools: readonly Pool[], { actual, capacity }: AssignmentInput) {
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
    take(name, lowest(0, capacity.pools, 'pools', free));
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
    const index = indexOf(indices, name);
    for (const vip of vips) {
      const before = actual.vips.get(vipKey(vip))?.pool;
      if (before === undefined || before === index) continue;
      entered.add(index);
      left.add(before);
    }
  }
  return pools.find(({ name }) => {
    const index = indexOf(indices, name);
    return entered.has(index) && left.has(index);
  });
}

function assignRows(desired: readonly Pool[], { actual, capacity }: AssignmentInput) {
  const rows = new Map<string, number>();
  const taken = new Set([...actual.vips.values()].map(({ row }) => row));
  for (const pool of desired) {
    for (const vip of pool.vips) {
      const key = vipKey(vip);
      const row =
        actual.vips.get(key)?.row ?? lowest(1, capacity.vips, 'VIPs', (i) => !taken.has(i));
      taken.add(row);
      rows.set(key, row);
    }
  }
  return rows;
}

/** Pools of the kernel that a server may have been in without having moved, by its name. */
type Homes = ReadonlyMap<string, ReadonlySet<number>>;

/** A pool is where its VIPs were too: it may take a fresh index, and its servers have not moved. */
function homesOf(
  desired: readonly Pool[],
  pools: ReadonlyMap<string, number>,
  actual: Tables,
): Homes {
  const homes = new Map<string, ReadonlySet<number>>();
  for (const { name, vips, servers } of desired) {
    const home = new Set([indexOf(pools, name)]);
    for (const vip of vips) {
      const before = actual.vips.get(vipKey(vip))?.pool;
      if (before !== undefined) home.add(before);
    }
    for (const server of servers) homes.set(server.name, home);
  }
  return homes;
}

/** The pools that lead to a real, by its index, as far as rings and server IDs say. */
function poolsOfReals({ pools }: Tables): Map<number, Set<number>> {
  const leading = new Map<number, Set<number>>();
  for (const [pool, { configs, ring }] of pools) {
    const reals = new Set(ring);
    for (const { ids } of configs.values()) for (const real of ids.keys()) reals.add(real);
    for (const real of reals) {
      const known = leading.get(real);
      if (known === undefined) leading.set(real, new Set([pool]));
      else known.add(pool);
    }
  }
  return leading;
}

/**
 * A server whose address or encapsulation changed is a new real: what is published of a
 * real never changes. So is one that moved to another pool, or the flow table would go on to
 * send it the flows of the VIPs that it has left. The old index goes into cooldown.
 */
function assignReals(
  input: AssignmentInput,
  servers: readonly Server[],
  homes: Homes,
): Map<string, number> {
  const { actual, previous, cooldown, capacity } = input;
  const reals = new Map<string, number>();
  const taken = new Set<number>();
  const take = (server: Server, index: number) => {
    taken.add(index);
    reals.set(server.name, index);
  };
  const leading = poolsOfReals(actual);
  const moved = (server: Server, index: number) => {
    const home = homes.get(server.name);
    const pools = leading.get(index);
    return home !== undefined && pools !== undefined && ![...pools].some((pool) => home.has(pool));
  };
  const spec = (real: Pick<Server, 'address' | 'encapsulation'>) =>
    `${real.encapsulation} ${real.address}`;

  // Those that the names of before place where the kernel has their address.
  for (const server of servers) {
    const hint = previous.reals.get(server.name);
    const real = hint === undefined ? undefined : actual.reals.get(hint);
    if (hint === undefined || real === undefined || taken.has(hint)) continue;
    if (spec(real) === spec(server) && !moved(server, hint)) take(server, hint);
  }
  // Those that the kernel has by address alone: the names were lost, or changed.
  const byAddress = new Map<string, number[]>();
  for (const [index, real] of actual.reals) {
    if (taken.has(index)) continue;
    const places = byAddress.get(spec(real));
    if (places === undefined) byAddress.set(spec(real), [index]);
    else places.push(index);
  }
  for (const server of servers) {
    if (reals.has(server.name)) continue;
    const places = byAddress.get(spec(server)) ?? [];
    const index = places.find((place) => !moved(server, place) && !taken.has(place));
    if (index !== undefined) take(server, index);
  }
  let next = 1;
  for (const server of servers) {
    if (reals.has(server.name)) continue;
    next = lowest(
      next,
      capacity.reals,
      'servers',
      (i) => !taken.has(i) && !actual.reals.has(i) && !cooldown.holds(i),
    );
    take(server, next);
  }
  return reals;
}

function lowest(
  first: number,
  end: number,
  what: string,
  free: (index: number) => boolean,
): number {
  for (let index = first; index < end; index++) if (free(index)) return index;
  throw new CidecarError(
    'MAP_FULL',
    `the tables have places for ${end - first} ${what} and no more`,
  );
}
