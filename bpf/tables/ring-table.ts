// SPDX-License-Identifier: Apache-2.0

import type { ArrayView } from './array-view.js';
import type { Clock } from './grace-period.js';
import { type Region, Regions } from './region-allocator.js';

/** `rings`: a count, then so many reals, for each ring. Entry 0 stays 0: "no ring". */
export class RingTable {
  readonly #view: ArrayView;
  readonly #regions: Regions;

  /** @param named first entries of the rings that VIPs name */
  constructor(view: ArrayView, named: Iterable<number>, clock: Clock) {
    this.#view = view;
    this.#regions = new Regions('rings', { start: 1, size: view.entries - 1 }, clock);
    for (const first of new Set(named)) {
      if (first !== 0) this.#regions.reserve(this.#region(first));
    }
  }

  /** An empty ring (all its entries lead nowhere); returns its first entry. @throws MAP_FULL */
  allocate(size: number): number {
    const { start } = this.#regions.allocate(1 + size);
    for (let i = 1; i <= size; i++) this.#store(start + i, 0);
    this.#store(start, size);
    return start;
  }

  /** No VIP may name it any more. */
  free(first: number): void {
    this.#regions.release(this.#region(first));
  }

  /** Changes a ring in place, entry by entry. @throws RangeError on another size */
  set(first: number, reals: Uint32Array): void {
    const { size } = this.#region(first);
    if (reals.length !== size - 1) {
      throw new RangeError(`the ring has ${size - 1} entries, not ${reals.length}`);
    }
    reals.forEach((real, i) => {
      this.#store(first + 1 + i, real);
    });
  }

  /** The real of each entry. */
  get(first: number): Uint32Array {
    const { size } = this.#region(first);
    return Uint32Array.from({ length: size - 1 }, (_, i) => this.#load(first + 1 + i));
  }

  get available(): number {
    return this.#regions.available;
  }

  #region(first: number): Region {
    this.#view.check(first);
    const size = 1 + this.#load(first);
    this.#view.check(first + size - 1);
    return { start: first, size };
  }

  #load(entry: number): number {
    return this.#view.load32(entry * this.#view.stride);
  }

  #store(entry: number, value: number): void {
    this.#view.store32(entry * this.#view.stride, value);
  }
}
