// SPDX-License-Identifier: Apache-2.0
import {
  type Balancer,
  type BalancerCapacity,
  ringSize,
  serverIdRowsFor,
} from '../../../bpf/tables/index.js';
import type { DesiredState, Pool } from '../../../registry/index.js';

const FIRST_STEP = 32;
const STEP = 4;

/**
 * Least places, so that a small document can grow for a while within its tables: a pool to
 * its second ring, which is built beside the first. That costs 200 kB.
 */
const LEAST = {
  vips: 16,
  pools: 8,
  configs: 16,
  reals: 2 * FIRST_STEP * STEP,
  ringEntries: ringSize(FIRST_STEP) + 1 + ringSize(FIRST_STEP * STEP) + 1,
} as const;
const MOST_REALS = 65_535;
const EVENTS_OCTETS = 65_536;

/** Places that are not to be given out again yet: the indices in use or at rest end below. */
export interface Occupied {
  readonly vips: number;
  readonly pools: number;
  readonly reals: number;
}

const NOTHING: Occupied = { vips: 0, pools: 0, reals: 0 };

/**
 * What the tables of a desired state should hold: twice what it needs now. The half that is
 * free serves growth, replacements (which need old and new for a moment) and indices at
 * rest. When it is used up, the agent loads larger tables and switches to them.
 */
export function capacityFor(
  desired: DesiredState,
  flowsPerCpu: number,
  occupied: Occupied = NOTHING,
): BalancerCapacity {
  const pools = desired.pools.filter(({ vips }) => vips.length > 0);
  const sum = (count: (pool: Pool) => number) => pools.reduce((all, pool) => all + count(pool), 0);
  return {
    vips: Math.max(LEAST.vips, occupied.vips + 2 * sum(({ vips }) => vips.length)),
    pools: Math.max(LEAST.pools, occupied.pools + 2 * pools.length),
    configs: Math.max(LEAST.configs, 2 * sum(({ configs }) => configs.length)),
    reals: Math.min(
      MOST_REALS,
      Math.max(LEAST.reals, occupied.reals + 2 * sum(({ servers }) => servers.length)),
    ),
    serverIdRows: 2 * sum(serverIdRows),
    ringEntries: Math.max(LEAST.ringEntries, 2 * sum((pool) => poolRingSize(pool) + 1)),
    flowsPerCpu,
    eventsOctets: EVENTS_OCTETS,
  };
}

function serverIdRows(pool: Pool): number {
  return pool.configs
    .filter(({ state }) => state !== 'quarantined')
    .reduce((rows, { id, codec }) => {
      const ids = pool.servers.reduce(
        (n, { serverIds }) => n + (serverIds.get(id)?.length ?? 0),
        0,
      );
      return rows + serverIdRowsFor(ids, codec.serverIdLength);
    }, 0);
}

/**
 * Entries of a pool's ring. Another size is another ring, in which most flows have another
 * server. So it follows the servers that the pool has, in whatever state, in few and large
 * steps: up to 32, 128, 512, 2048, ... servers. A function of the document alone, or the
 * balancers would disagree.
 */
export function poolRingSize({ servers }: Pick<Pool, 'servers'>): number {
  let step = FIRST_STEP;
  while (step < servers.length) step *= STEP;
  return ringSize(Math.min(step, MOST_REALS));
}

/** What loaded tables hold. */
export function capacityOf(balancer: Balancer): { vips: number; pools: number; reals: number } {
  const entries = (name: 'vip_stats' | 'config_index' | 'reals') =>
    balancer.map(name).info.maxEntries;
  return {
    vips: entries('vip_stats'),
    pools: entries('config_index') / 8,
    reals: entries('reals'),
  };
}
