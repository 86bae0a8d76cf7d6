// SPDX-License-Identifier: Apache-2.0
import type { BpfMap } from '../binding/index.js';
import type { MapName } from './balancer-capacity.js';

const ROWS_AT_ONCE = 64;

/**
 * Copies the counters that new tables do not share with the old ones. Call it before the new
 * program takes over, and what it returns, if anything, GRACE_MS afterwards.
 */
export function copyCounters(
  from: (name: MapName) => BpfMap,
  to: (name: MapName) => BpfMap,
): (() => void) | undefined {
  const copies = (['vip_stats', 'real_stats'] as const)
    .filter((name) => from(name).info.id !== to(name).info.id)
    .map((name) => new CounterCopy(from(name), to(name)));
  for (const copy of copies) copy.begin();
  if (copies.length === 0) return undefined;
  return () => {
    for (const copy of copies) copy.finish();
  };
}

/**
 * Copies counters into a map of another size. The first copy is made while nothing counts in
 * the new map, so that nobody sees a counter fall. {@link finish} then adds what the old
 * program counted until the new one took over. User space reads a row and writes it in two
 * steps: packets that are counted in the microseconds between them are lost to the counter.
 */
class CounterCopy {
  readonly #from: BpfMap;
  readonly #to: BpfMap;
  readonly #rows: number;
  /** The counts that were copied, by row; rows of zeros are left out. */
  readonly #copied = new Map<number, BigUint64Array>();

  constructor(from: BpfMap, to: BpfMap) {
    this.#from = from;
    this.#to = to;
    this.#rows = Math.min(from.info.maxEntries, to.info.maxEntries);
  }

  /** Call it before the new program runs. */
  begin(): void {
    for (const [row, counts] of this.#counted()) {
      this.#copied.set(row, counts);
      this.#to.update(row, octetsOf(counts));
    }
  }

  /** Call it when no packet is left in the old program. */
  finish(): void {
    for (const [row, counts] of this.#counted()) {
      const before = this.#copied.get(row);
      if (before !== undefined && counts.every((count, i) => count === before[i])) continue;
      const now = wordsOf(this.#to.lookup(row) ?? new Uint8Array());
      this.#to.update(row, octetsOf(now.map((n, i) => n + counts[i]! - (before?.[i] ?? 0n))));
    }
  }

  /** Rows of the old map that are not all zeros, with the counts of all CPUs in a row. */
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
