// SPDX-License-Identifier: Apache-2.0
import type { Prelude, Traffic } from './prelude.js';
import { median, spread } from './statistics.js';

export const XDP_PASS = 2;
export const XDP_TX = 3;

/** One row of the table: a kind of traffic, and the route that all of its packets must take. */
export interface PacketCase {
  readonly name: string;
  /** The most net nanoseconds; null for a row without a target. */
  readonly target: number | null;
  readonly traffic: Traffic;
  /** The XDP verdict for its packets. */
  readonly verdict: number;
  /** Counts the packets so far that took the route which the row is about. */
  readonly taken: () => number;
  /** Number of server IDs in its packets; 1 if all packets have the same. */
  readonly ids: number;
  /** Prepares what the row needs; returns what undoes it for the rows after it. */
  readonly arrange?: () => () => void;
}

export interface PacketResult {
  readonly case: string;
  readonly target: number | null;
  /** Medians over the rounds, in nanoseconds for a packet. */
  readonly totalNs: number;
  readonly floorNs: number;
  readonly netNs: number;
  /** The quietest round less the quietest floor. */
  readonly minNs: number;
  /** The distance between the quartiles of the total. */
  readonly spreadNs: number;
}

export interface MeasureOptions {
  readonly rounds: number;
  /** Packets of a case in a round, after the warm-up. */
  readonly packets: number;
  readonly cpu: number;
}

/**
 * Runs every case once in each round, right after its floor. What slows the machine down for a
 * while then affects all cases alike, and a case together with its floor.
 */
export function measure(
  prelude: Prelude,
  cases: readonly PacketCase[],
  options: MeasureOptions,
): PacketResult[] {
  const totals = cases.map((): number[] => []);
  const floors = cases.map((): number[] => []);
  for (let round = 0; round < options.rounds; round++) {
    for (const [i, row] of cases.entries()) {
      prelude.prepare(row.traffic);
      floors[i]?.push(timeFloor(prelude, row, options));
      const undo = row.arrange?.();
      totals[i]?.push(timeTarget(prelude, row, options));
      undo?.();
    }
  }
  return cases.map((row, i) => summarize(row, totals[i] ?? [], floors[i] ?? []));
}

/**
 * Number of packets before those that count. The row before has left its tables in the caches,
 * where those of a pool with traffic would be. With twice as many packets as IDs, six of seven
 * IDs have been seen.
 */
function warmUp(row: PacketCase, packets: number): number {
  return Math.max(Math.ceil(packets / 10), 2 * row.ids);
}

function timeFloor(prelude: Prelude, row: PacketCase, { packets, cpu }: MeasureOptions): number {
  prelude.run(row.traffic, warmUp(row, packets), 'floor', cpu);
  const { retval, durationNs } = prelude.run(row.traffic, packets, 'floor', cpu);
  if (retval !== XDP_TX) throw new Error(`${row.name}: the floor returned ${retval}`);
  return durationNs;
}

/** Throws if packets of the row took another route, because the time would mean something else. */
function timeTarget(prelude: Prelude, row: PacketCase, { packets, cpu }: MeasureOptions): number {
  prelude.run(row.traffic, warmUp(row, packets), 'target', cpu);
  const before = row.taken();
  const { retval, durationNs, data } = prelude.run(row.traffic, packets, 'target', cpu);
  const taken = row.taken() - before;
  if (retval !== row.verdict) throw new Error(`${row.name}: the program returned ${retval}`);
  const growth = data.length - row.traffic.frame.length;
  if (growth !== row.traffic.growth) {
    throw new Error(`${row.name}: the packet grew by ${growth} octets`);
  }
  if (taken !== packets) {
    throw new Error(`${row.name}: ${taken} of ${packets} packets took the way of this row`);
  }
  return durationNs;
}

function summarize(row: PacketCase, totals: number[], floors: number[]): PacketResult {
  const totalNs = median(totals);
  const floorNs = median(floors);
  return {
    case: row.name,
    target: row.target,
    totalNs,
    floorNs,
    netNs: totalNs - floorNs,
    minNs: Math.min(...totals) - Math.min(...floors),
    spreadNs: spread(totals),
  };
}
