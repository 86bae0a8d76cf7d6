// SPDX-License-Identifier: Apache-2.0
import type { Pool, Server } from '../../registry/index.js';
import { assignPools, assignRings, assignRows } from './assign-pools.js';
import { assignReals } from './assign-reals.js';
import type { IndexCapacity } from './driver.js';
import type { Goal } from './goal.js';
import { IdList } from './id-list.js';
import type { Cooldown } from './index-cooldown.js';
import { REPLY } from './next-hop.js';
import { movedServers } from './pool-membership.js';
import type { BuildRing, RingServer } from './ring.js';
import {
  type ConfigEntry,
  type PoolEntry,
  type RealEntry,
  type Tables,
  type VipEntry,
  vipKey,
} from './tables.js';
import { isReachable, takesNewFlows } from './verdict.js';

/** Which index stands for which name. Kept on disk for the names' sake; the tables decide. */
export interface Assignment {
  readonly pools: ReadonlyMap<string, number>;
  /** By server name, which is unique in a document. */
  readonly reals: ReadonlyMap<string, number>;
}

export const NO_ASSIGNMENT: Assignment = { pools: new Map(), reals: new Map() };

export interface AssignmentInput {
  readonly goal: Goal;
  readonly actual: Tables;
  /** The last one: a hint, used only where the tables do not contradict it. */
  readonly previous: Assignment;
  readonly cooldown: Cooldown;
  readonly capacity: IndexCapacity;
  readonly buildRing: BuildRing;
}

export interface Assigned {
  readonly assignment: Assignment;
  readonly target: Tables;
}

/**
 * Gives every name of the goal its index: the one that it has in the tables wherever that is
 * possible, so that a restart, with or without the names, changes nothing that neither the
 * document nor a verdict changed.
 *
 * @throws CidecarError MAP_FULL when the tables have too few places
 */
export function assign(input: AssignmentInput): Assigned {
  const { goal, actual, capacity } = input;
  // No packet comes for a pool without a VIP, so the tables need not have it.
  const pools = goal.desired.pools.filter(({ vips }) => vips.length > 0);
  const poolIndices = assignPools(pools, actual, capacity.pools);
  const rows = assignRows(pools, actual, capacity.vips);
  const servers = pools.flatMap((pool) => pool.servers);
  const { previous, cooldown } = input;
  const realIndices = assignReals(servers, {
    actual,
    named: previous.reals,
    cooldown,
    end: capacity.reals,
    hasMoved: movedServers(pools, poolIndices, actual),
  });

  const reals = realEntries(servers, realIndices, input);
  const rings = new Map<number, Uint32Array>();
  const poolEntries = new Map<number, PoolEntry>();
  for (const pool of pools) {
    const index = indexOf(poolIndices, pool.name);
    poolEntries.set(index, { configs: configsOf(pool, realIndices) });
    const ring = input.buildRing(pool, ringServers(pool, realIndices, goal));
    if (ring.length > 0) rings.set(index, ring);
  }
  const ringNumbers = assignRings(rings, actual);
  const vips = new Map<string, VipEntry>();
  for (const { name, vips: own } of pools) {
    const pool = indexOf(poolIndices, name);
    for (const vip of own) {
      const [key, ring] = [vipKey(vip), ringNumbers.get(pool) ?? null];
      vips.set(key, { ...vip, pool, row: indexOf(rows, key), ring });
    }
  }
  return {
    assignment: { pools: poolIndices, reals: realIndices },
    target: {
      reals,
      vacated: vacatedIndices(reals, input),
      vips,
      pools: poolEntries,
      rings: new Map([...rings].map(([pool, ring]) => [indexOf(ringNumbers, pool), ring])),
    },
  };
}

function indexOf<Name>(indices: ReadonlyMap<Name, number>, name: Name): number {
  const index = indices.get(name);
  if (index === undefined) throw new Error(`${name} was given no index`);
  return index;
}

function realEntries(
  servers: readonly Server[],
  indices: ReadonlyMap<string, number>,
  { goal, actual, cooldown }: AssignmentInput,
): Map<number, RealEntry> {
  const reals = new Map<number, RealEntry>();
  for (const server of servers) {
    const { name, address, encapsulation, state } = server;
    const index = indexOf(indices, name);
    const present = actual.reals.get(index);
    reals.set(index, {
      address,
      encapsulation,
      incarnation: present?.incarnation ?? cooldown.nextIncarnation(index),
      down: state === 'down' || !isReachable(goal.verdicts, name),
      nextHop: goal.nextHop(server) ?? present?.nextHop ?? REPLY,
    });
  }
  return reals;
}

/** Every index that was ever used and will not be, so that its next use takes another incarnation. */
function vacatedIndices(
  reals: ReadonlyMap<number, RealEntry>,
  { actual, cooldown, capacity }: AssignmentInput,
): Map<number, number> {
  const leaving = [...actual.reals].map(
    ([index, { incarnation }]) => [index, incarnation] as const,
  );
  const used = new Map([...cooldown.incarnations(), ...actual.vacated, ...leaving]);
  return new Map([...used].filter(([index]) => index < capacity.reals && !reals.has(index)));
}

/** Draining and down servers take no new flows, nor do those of weight 0 or that a check took out. */
function ringServers(
  pool: Pool,
  reals: ReadonlyMap<string, number>,
  { verdicts }: Goal,
): RingServer[] {
  return pool.servers
    .filter(({ state, weight, name }) => {
      return state === 'active' && weight > 0 && takesNewFlows(verdicts, name);
    })
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
    configs.set(id, { decodePlan: codec.decodePlan, ids });
  }
  return configs;
}
