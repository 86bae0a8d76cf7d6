// SPDX-License-Identifier: Apache-2.0
import {
  CID_CONFIG,
  CONFIGS_PER_POOL,
  COUNTER,
  FLOW_BUCKET,
  REAL,
  SERVER_ID_ROW,
  SETTINGS,
  TUNNEL_MTU,
  TUNNEL_MTU_ROWS,
  VIP_BUCKET,
  VIP_STATS,
} from './layout.js';
import { vipBucketsFor } from './vip-table.js';

/** How much the kernel's tables have room for. Another capacity needs a new set of maps. */
export interface BalancerCapacity {
  /** VIPs; each has a row of counters. */
  readonly vips: number;
  readonly pools: number;
  /** Kernel configs at one time, those that are being replaced included. */
  readonly configs: number;
  /** At most 65535: flows remember 16 bits. */
  readonly reals: number;
  /** Rows of 64 octets; see {@link serverIdRowsFor}. */
  readonly serverIdRows: number;
  /** The sum of the rings' sizes, one added to each. */
  readonly ringEntries: number;
  readonly flowsPerCpu: number;
  /** Of the ring buffer; rounded up to a power of two, and to at least a page. */
  readonly eventsOctets: number;
}

const PAGE = 4096;
/** What a ring buffer takes beside its data. */
const RING_BUFFER_PAGES = 3;
const MOST_REALS = 65535;

/** Entries of each map, by its name in bpf/kernel/maps.h. @param cpus possible CPUs */
export function mapSizes(capacity: BalancerCapacity, cpus: number) {
  if (capacity.reals > MOST_REALS) throw new RangeError(`at most ${MOST_REALS} reals`);
  return {
    vip_table: vipBucketsFor(capacity.vips),
    config_index: Math.max(1, capacity.pools) * CONFIGS_PER_POOL,
    configs: capacity.configs + 1,
    server_ids: Math.max(1, capacity.serverIdRows),
    rings: capacity.ringEntries + 1,
    reals: capacity.reals + 1,
    flows: flowBucketsPerCpu(capacity) * cpus,
    vip_stats: capacity.vips + 1,
    real_stats: capacity.reals + 1,
    tunnel_mtus: TUNNEL_MTU_ROWS,
    events: powerOfTwo(Math.max(PAGE, capacity.eventsOctets)),
  };
}

export type MapName = keyof ReturnType<typeof mapSizes>;

/** Octets of kernel memory that the maps take, close to what Linux 6.18 accounts for them. */
export function estimate(capacity: BalancerCapacity, cpus: number): number {
  const sizes = mapSizes(capacity, cpus);
  // An array that user space can map takes whole pages, and one more for the kernel's own record.
  const mapped: Partial<Record<MapName, number>> = {
    vip_table: VIP_BUCKET.size,
    config_index: 8,
    configs: CID_CONFIG.size,
    server_ids: SERVER_ID_ROW.size,
    rings: 8,
    reals: REAL.size,
    flows: FLOW_BUCKET.size,
    tunnel_mtus: TUNNEL_MTU.size,
  };
  const arrays = Object.entries(mapped) as [MapName, number][];
  const octets = arrays.map(([name, value]) => PAGE + pages(sizes[name] * value));
  // Each value of a per-CPU array has a pointer of 8 octets as well.
  octets.push(
    sizes.vip_stats * (VIP_STATS.size * cpus + 8),
    sizes.real_stats * (COUNTER.size * cpus + 8),
    sizes.events + RING_BUFFER_PAGES * PAGE,
    PAGE + pages(SETTINGS.size),
  );
  return octets.reduce((sum, size) => sum + size, 0);
}

function pages(octets: number): number {
  return Math.ceil(octets / PAGE) * PAGE;
}

/** Buckets of one CPU's slice, a power of two. */
export function flowBucketsPerCpu({ flowsPerCpu }: Pick<BalancerCapacity, 'flowsPerCpu'>): number {
  return powerOfTwo(Math.ceil(flowsPerCpu / FLOW_BUCKET.flows));
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, least)));
}
