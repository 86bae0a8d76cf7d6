// SPDX-License-Identifier: Apache-2.0
import type { Prelude, Traffic } from './prelude.js';
import { median, spread } from './statistics.js';

export const XDP_PASS = 2;
export const XDP_TX = 3;

/** One row of the table: a kind of traffic, and the way that every packet of it must take. */
export interface PacketCase {
  readonly name: string;
  /** Net ns that the project set itself, or null for rows that are for information. */
  readonly target: number | null;
  readonly traffic: Traffic;
  /** What the program returns for it. */
  readonly verdict: number;
  /** Packets so far that took the way this row is about. */
  readonly taken: () => number;
  /** Server IDs that its packets are drawn from; 1 where all are alike. */
  readonly ids: number;
  /** Brings about what the row is about; returns what undoes it for the rows that follow. */
  readonly arrange?: () => () => void;
}

export interface PacketResult {
  readonly case: string;
  readonly target: number | null;
  /** Medians over the rounds, ns a packet. */
  readonly totalNs: number;
  readonly floorNs: number;
  readonly netNs: number;
  /** Quietest round less quietest floor. */
  readonly minNs: number;
  /** Distance of the quartiles of the total. */
  readonly spreadNs: number;
}

export interface MeasureOptions {
  readonly rounds: number;
  /** Packets a round and case, after a warm-up. */
  readonly packets: number;
  readonly cpu: number;
}

/**
 * Runs every case once a round, its floor right before it: what slows the machine down for
 * a while then hits all cases alike, and a case together with its floor.
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
 * Packets before those that count: the row before has left its own tables in the caches, and
 * a pool that has traffic has its own there. Twice the IDs are drawn, so that six of seven
 * have been seen.
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

/** A row whose packets went elsewhere measures something else: that is an error. */
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
