// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/errors.js';
import { type Clock, GRACE_MS } from './grace-period.js';

export interface Region {
  readonly start: number;
  readonly size: number;
}

interface Resting extends Region {
  readonly until: number;
  readonly wipe: () => void;
}

/**
 * Which runs of an array's entries are free. What is given back rests for the grace period
 * first: a packet may still be reading it. The kernel knows nothing of regions; after a
 * restart they are found again from what the published structures name.
 */
export class Regions {
  readonly #table: string;
  readonly #clock: Clock;
  /** In order of start, never adjacent, never overlapping. */
  #free: Region[];
  #resting: Resting[] = [];

  /** @param table for the message of MAP_FULL */
  constructor(table: string, whole: Region, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
    this.#free = whole.size > 0 ? [whole] : [];
  }

  /** @throws CidecarError MAP_FULL */
  allocate(size: number): Region {
    this.sweep();
    let at = this.#fit(size);
    if (at < 0 && this.#resting.length > 0) {
      // Room is on its way, so waiting is better than growing the map.
      this.#clock.wait(Math.max(...this.#resting.map(({ until }) => until)) - this.#clock.now());
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

  /** Gives a region back; `wipe` runs when no packet reads it any more. */
  release(region: Region, wipe: () => void = () => {}): void {
    this.#resting.push({ ...region, until: this.#clock.now() + GRACE_MS, wipe });
  }

  /** Takes what the kernel already uses. @throws RangeError unless all of it is free */
  reserve({ start, size }: Region): void {
    const at = this.#free.findIndex((f) => f.start <= start && start + size <= f.start + f.size);
    const found = this.#free[at];
    if (found === undefined) {
      throw new RangeError(`${this.#table}: ${size} entries from ${start} on are not free`);
    }
    const before = { start: found.start, size: start - found.start };
    const behind = { start: start + size, size: found.start + found.size - start - size };
    this.#free.splice(at, 1, ...[before, behind].filter((region) => region.size > 0));
  }

  /** Ends the rest of what has rested long enough. */
  sweep(): void {
    const now = this.#clock.now();
    const due = this.#resting.filter(({ until }) => until <= now);
    if (due.length === 0) return;
    this.#resting = this.#resting.filter(({ until }) => until > now);
    for (const region of due) {
      region.wipe();
      this.#insert(region);
    }
  }

  /** Entries free or about to be. */
  get available(): number {
    return [...this.#free, ...this.#resting].reduce((sum, { size }) => sum + size, 0);
  }

  #fit(size: number): number {
    return this.#free.findIndex((region) => region.size >= size);
  }

  #insert({ start, size }: Region): void {
    let at = this.#free.findIndex((region) => region.start > start);
    if (at < 0) at = this.#free.length;
    const before = this.#free[at - 1];
    const behind = this.#free[at];
    const joinsBefore = before !== undefined && before.start + before.size === start;
    const joinsBehind = behind !== undefined && start + size === behind.start;
    const joined = {
      start: joinsBefore ? before.start : start,
      size: size + (joinsBefore ? before.size : 0) + (joinsBehind ? behind.size : 0),
    };
    this.#free.splice(joinsBefore ? at - 1 : at, Number(joinsBefore) + Number(joinsBehind), joined);
  }
}
