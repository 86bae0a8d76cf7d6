// SPDX-License-Identifier: Apache-2.0
import {
  type Balancer,
  type BalancerCapacity,
  ringSize,
  serverIdRowsFor,
} from '../../../bpf/tables/index.js';
import type { Pool } from '../../../registry/index.js';
import type { CapacityNeed, IndexCapacity } from '../../reconcile/driver.js';

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

/** How large the kernel's tables are made. */
export function capacityFor(
  { desired, indices }: CapacityNeed,
  flowsPerCpu: number,
): BalancerCapacity {
  const pools = desired.pools.filter(({ vips }) => vips.length > 0);
  const sum = (count: (pool: Pool) => number) => pools.reduce((all, pool) => all + count(pool), 0);
  return {
    // Row 0 and real 0 come on top of these.
    vips: Math.max(LEAST.vips, indices.vips - 1),
    pools: Math.max(LEAST.pools, indices.pools),
    configs: Math.max(LEAST.configs, 2 * sum(({ configs }) => configs.length)),
    reals: Math.max(LEAST.reals, indices.reals - 1),
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
export function capacityOf(balancer: Balancer): IndexCapacity {
  const entries = (name: 'vip_stats' | 'config_index' | 'reals') =>
    balancer.map(name).info.maxEntries;
  return {
    vips: entries('vip_stats'),
    pools: entries('config_index') / 8,
    reals: entries('reals'),
  };
}
