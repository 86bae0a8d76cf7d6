// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/errors.js';
import { type Clock, GRACE_MS } from './grace-period.js';

/** A run of entries of an array. */
export interface Region {
  readonly start: number;
  readonly size: number;
}

interface RegionInGrace extends Region {
  readonly until: number;
  readonly wipe: () => void;
}

/**
 * Knows which runs of an array's entries are free. A region that is given back waits for the
 * grace period first, because a packet may still be reading it. The kernel knows nothing of
 * regions: after a restart they are found from what the published structures name.
 */
export class RegionAllocator {
  readonly #table: string;
  readonly #clock: Clock;
  /** In order of start, never adjacent, never overlapping. */
  #free: Region[];
  #inGrace: RegionInGrace[] = [];

  /** @param table name of the array, for messages */
  constructor(table: string, whole: Region, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
    this.#free = whole.size > 0 ? [whole] : [];
  }

  /** @throws CidecarError MAP_FULL */
  allocate(size: number): Region {
    this.sweep();
    let at = this.#fit(size);
    if (at < 0 && this.#inGrace.length > 0) {
      // A region is about to be free, and waiting for it is cheaper than a larger map.
      this.#clock.wait(Math.max(...this.#inGrace.map(({ until }) => until)) - this.#clock.now());
      this.sweep();
      at = this.#fit(size);
    }
    if (at < 0) {
      throw new CidecarError('MAP_FULL', `${this.#table} has no ${size} entries in a row left`);
    }
    const { start, size: found } = this.#free[at]!;
    if (found === size) this.#free.splice(at, 1);
    else this.#free[at] = { start: start + size, size: found - size };
    return { start, size };
  }

  /** Gives a region back. `wipe` is called when no packet reads the region any more. */
  release(region: Region, wipe: () => void = () => {}): void {
    this.#inGrace.push({ ...region, until: this.#clock.now() + GRACE_MS, wipe });
  }

  /** Takes a region that the kernel already uses. @throws RangeError unless all of it is free */
  reserve({ start, size }: Region): void {
    const at = this.#free.findIndex((f) => f.start <= start && start + size <= f.start + f.size);
    const found = this.#free[at];
    if (found === undefined) {
      throw new RangeError(`${this.#table}: ${size} entries from ${start} on are not free`);
    }
    const before = { start: found.start, size: start - found.start };
    const after = { start: start + size, size: found.start + found.size - start - size };
    this.#free.splice(at, 1, ...[before, after].filter((region) => region.size > 0));
  }

  /** Wipes and frees the regions whose grace period is over. */
  sweep(): void {
    const now = this.#clock.now();
    const due = this.#inGrace.filter(({ until }) => until <= now);
    if (due.length === 0) return;
    this.#inGrace = this.#inGrace.filter(({ until }) => until > now);
    for (const region of due) {
      region.wipe();
      this.#insert(region);
    }
  }

  /** Entries that are free or in their grace period. */
  get available(): number {
    return [...this.#free, ...this.#inGrace].reduce((sum, { size }) => sum + size, 0);
  }

  #fit(size: number): number {
    return this.#free.findIndex((region) => region.size >= size);
  }

  #insert({ start, size }: Region): void {
    let at = this.#free.findIndex((region) => region.start > start);
    if (at < 0) at = this.#free.length;
    const before = this.#free[at - 1];
    const after = this.#free[at];
    const joinsBefore = before !== undefined && before.start + before.size === start;
    const joinsAfter = after !== undefined && start + size === after.start;
    const joined = {
      start: joinsBefore ? before.start : start,
      size: size + (joinsBefore ? before.size : 0) + (joinsAfter ? after.size : 0),
    };
    this.#free.splice(joinsBefore ? at - 1 : at, Number(joinsBefore) + Number(joinsAfter), joined);
  }
}
