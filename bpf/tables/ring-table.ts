// SPDX-License-Identifier: Apache-2.0

import type { ArrayView } from './array-view.js';
import type { Clock } from './grace-period.js';
import { type Region, RegionAllocator } from './region-allocator.js';

/**
 * The array `rings`: for each ring the number of its entries, then a real for each of them.
 * Entry 0 stays 0, which stands for "no ring".
 */
export class RingTable {
  readonly #view: ArrayView;
  readonly #regions: RegionAllocator;
  /** Entries of each ring that is in use, by its first; what the kernel says may be changed by others. */
  readonly #sizes = new Map<number, number>();

  /** @param named first entries of the rings that VIPs name */
  constructor(view: ArrayView, named: Iterable<number>, clock: Clock) {
    this.#view = view;
    this.#regions = new RegionAllocator('rings', { start: 1, size: view.entries - 1 }, clock);
    for (const first of new Set(named)) {
      if (first === 0) continue;
      this.#regions.reserve(this.#region(first));
      this.#sizes.set(first, this.#load(first));
    }
  }

  /**
   * Makes a ring of `size` entries that lead nowhere, and returns its first entry.
   * @throws CidecarError MAP_FULL
   */
  allocate(size: number): number {
    const { start } = this.#regions.allocate(1 + size);
    for (let i = 1; i <= size; i++) this.#store(start + i, 0);
    this.#store(start, size);
    this.#sizes.set(start, size);
    return start;
  }

  /** Before this, no VIP may name the ring any more. */
  free(first: number): void {
    this.#regions.release(this.#region(first));
    this.#sizes.delete(first);
  }

  /** Changes a ring in place, entry by entry. @throws RangeError on another size */
  set(first: number, reals: Uint32Array): void {
    const { size } = this.#region(first);
    if (reals.length !== size - 1) {
      throw new RangeError(`the ring has ${size - 1} entries, not ${reals.length}`);
    }
    this.#store(first, size - 1);
    reals.forEach((real, i) => {
      this.#store(first + 1 + i, real);
    });
  }

  /** Whether a ring has these entries, in this number. */
  holds(first: number, reals: Uint32Array): boolean {
    if (this.#load(first) !== reals.length) return false;
    for (let i = 0; i < reals.length; i++) if (this.#load(first + 1 + i) !== reals[i]) return false;
    return true;
  }

  /** The real of each entry. */
  get(first: number): Uint32Array {
    const { size } = this.#region(first);
    return Uint32Array.from({ length: size - 1 }, (_, i) => this.#load(first + 1 + i));
  }

  /** Entries that are not in use. */
  get available(): number {
    return this.#regions.available;
  }

  #region(first: number): Region {
    this.#view.check(first);
    const size = 1 + (this.#sizes.get(first) ?? this.#load(first));
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
