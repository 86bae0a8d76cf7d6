// SPDX-License-Identifier: Apache-2.0
import type { BpfMap } from '../binding/index.js';
import type { MapName } from './balancer-capacity.js';

/**
 * What outlives the tables beside which it came to be: remembered flows, and counters. Flows
 * name a real by index and incarnation, counters count by row, so both stay right in other
 * tables in which index, incarnation and row mean the same.
 */
const CARRIED = ['flows', 'vip_stats', 'real_stats'] as const satisfies readonly MapName[];

/** Counters that are larger than needed by more than this give way to smaller ones. */
const MOST_TIMES_NEEDED = 4;

/**
 * The maps that new tables of these sizes can use as they are: old and new program then count
 * in one map and remember in one, and nothing has to be copied while packets flow.
 */
export function reusableMaps(
  from: (name: MapName) => BpfMap,
  sizes: Readonly<Record<MapName, number>>,
): Map<MapName, BpfMap> {
  const maps = CARRIED.map((name): [MapName, BpfMap] => [name, from(name)]);
  return new Map(maps.filter(([name, map]) => fits(name, map.info.maxEntries, sizes[name])));
}

function fits(name: MapName, entries: number, needed: number): boolean {
  // A flow's place depends on the number of buckets.
  if (name === 'flows') return entries === needed;
  return entries >= needed && entries <= MOST_TIMES_NEEDED * needed;
}

const ROWS_AT_ONCE = 64;

/**
 * Counters on their way into a map of another size. They are copied while nothing counts in
 * the new map, so that nobody sees them fall, and {@link finish} adds what the old one counted
 * until the new program took over. User space cannot add in one step: packets of the few
 * microseconds between its reading and its writing of a row go uncounted.
 */
export class CounterCopy {
  readonly #from: BpfMap;
  readonly #to: BpfMap;
  readonly #rows: number;
  /** What was copied of each row that was not all zeros. */
  readonly #copied = new Map<number, BigUint64Array>();

  constructor(from: BpfMap, to: BpfMap) {
    this.#from = from;
    this.#to = to;
    this.#rows = Math.min(from.info.maxEntries, to.info.maxEntries);
  }

  /** Before the new program runs. */
  begin(): void {
    for (const [row, counts] of this.#counted()) {
      this.#copied.set(row, counts);
      this.#to.update(row, octetsOf(counts));
    }
  }

  /** When no packet is left in the old program. */
  finish(): void {
    for (const [row, counts] of this.#counted()) {
      const before = this.#copied.get(row);
      if (before !== undefined && counts.every((count, i) => count === before[i])) continue;
      const now = wordsOf(this.#to.lookup(row) ?? new Uint8Array());
      this.#to.update(row, octetsOf(now.map((n, i) => n + counts[i]! - (before?.[i] ?? 0n))));
    }
  }

  /** Rows of the old map, the counts of all CPUs one after another. */
  *#counted(): Generator<[number, BigUint64Array], void, void> {
    for (let first = 0; first < this.#rows; first += ROWS_AT_ONCE) {
      const count = Math.min(ROWS_AT_ONCE, this.#rows - first);
      const words = wordsOf(this.#from.lookupBatch(first, count));
      const width = words.length / count;
      for (let i = 0; i < count; i++) {
        const counts = words.slice(i * width, (i + 1) * width);
        if (counts.some((word) => word !== 0n)) yield [first + i, counts];
      }
    }
  }
}

function wordsOf(octets: Uint8Array): BigUint64Array {
  return new BigUint64Array(octets.buffer, octets.byteOffset, octets.byteLength / 8);
}

function octetsOf(words: BigUint64Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
