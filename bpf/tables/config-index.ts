// SPDX-License-Identifier: Apache-2.0
import type { ArrayView } from './array-view.js';
import { CONFIGS_PER_POOL } from './layout.js';

/** The values of a CID's top three bits. */
const BITS = [0, 1, 2, 3, 4, 5, 6, 7];

/** The array config_index: for each pool and each value of the config bits a row of `configs`. */
export class ConfigIndex {
  readonly #view: ArrayView;

  constructor(view: ArrayView) {
    this.#view = view;
  }

  get pools(): number {
    return this.#view.entries / CONFIGS_PER_POOL;
  }

  /** 0: none. */
  rowOf(pool: number, bits: number): number {
    return this.#view.load32(this.#entry(pool, bits));
  }

  /** Takes effect with the next packet (abi.h, "publish"). */
  set(pool: number, bits: number, row: number): void {
    this.#view.store32(this.#entry(pool, bits), row);
  }

  /** The config bits by which a pool names a row. */
  namesOf(pool: number, row: number): number[] {
    return BITS.filter((bits) => this.rowOf(pool, bits) === row);
  }

  /** The rows that a pool names. */
  rowsOf(pool: number): Set<number> {
    return new Set(BITS.map((bits) => this.rowOf(pool, bits)).filter((row) => row !== 0));
  }

  /** Each row that some pool names, with the first pool that does. */
  namedRows(): Map<number, number> {
    const rows = new Map<number, number>();
    for (let pool = 0; pool < this.pools; pool++) {
      for (const row of this.rowsOf(pool)) if (!rows.has(row)) rows.set(row, pool);
    }
    return rows;
  }

  /** The config bits that lead to some row, as `[pool, bits]`. */
  *names(): Generator<[number, number], void, void> {
    for (let pool = 0; pool < this.pools; pool++) {
      for (const bits of BITS) if (this.rowOf(pool, bits) !== 0) yield [pool, bits];
    }
  }

  /** Offset of a word. */
  #entry(pool: number, bits: number): number {
    const entry = pool * CONFIGS_PER_POOL + bits;
    this.#view.check(entry);
    return entry * this.#view.stride;
  }
}
