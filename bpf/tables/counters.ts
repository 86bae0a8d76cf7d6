// SPDX-License-Identifier: Apache-2.0
import type { BpfMap } from '../binding/index.js';
import { COUNTER, REASONS_MAX } from './layout.js';
import { REASONS, type Reason } from './reasons.js';

export interface Counter {
  readonly packets: number;
  readonly octets: number;
}

/** Counters by reason, without the reasons that never occurred. */
export type ReasonCounters = Readonly<Partial<Record<Reason, Counter>>>;

export interface Counters {
  /** By row of the VIP; row 0 counts what belongs to no VIP. */
  readonly vips: ReadonlyMap<number, ReasonCounters>;
  /** By index of the real: packets sent to it. */
  readonly reals: ReadonlyMap<number, Counter>;
}

/** Sums one row of vip_stats over the CPUs. */
export function readReasons(map: BpfMap, row: number): ReasonCounters {
  const sums = sumOverCpus(map, row, REASONS_MAX);
  const counters: Partial<Record<Reason, Counter>> = {};
  for (const [reason, number] of Object.entries(REASONS) as [Reason, number][]) {
    const counter = sums[number];
    if (counter !== undefined && counter.packets > 0) counters[reason] = counter;
  }
  return counters;
}

/** Sums one row of real_stats over the CPUs. */
export function readCounter(map: BpfMap, row: number): Counter {
  return sumOverCpus(map, row, 1)[0] ?? { packets: 0, octets: 0 };
}

/** Sets a row to zero on every CPU. */
export function zeroRow(map: BpfMap, row: number): void {
  const octets = map.lookup(row);
  if (octets?.some((octet) => octet !== 0)) map.update(row, octets.fill(0));
}

function sumOverCpus(map: BpfMap, row: number, count: number): Counter[] {
  const octets = map.lookup(row) ?? new Uint8Array(0);
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const size = count * COUNTER.size;
  return Array.from({ length: count }, (_, i) => {
    let packets = 0n;
    let sum = 0n;
    for (let at = i * COUNTER.size; at < octets.length; at += size) {
      packets += view.getBigUint64(at + COUNTER.packets, true);
      sum += view.getBigUint64(at + COUNTER.octets, true);
    }
    return { packets: Number(packets), octets: Number(sum) };
  });
}
