// SPDX-License-Identifier: Apache-2.0

import type { ArrayView } from './array-view.js';
import { type Clock, GRACE_MS } from './grace-period.js';
import { type IdWords, rowsOf, sameId } from './id-words.js';
import type { RoutedIds } from './routed-ids.js';
import {
  BUCKETS,
  type BucketShape,
  type DenseShape,
  onesWord,
  rowsOfShape,
  type TableShape,
} from './table-shape.js';

const WORDS_PER_ROW = 16;
/** Moves after which a build gives up on its number of rows. At the loads in use a few suffice. */
const MOST_MOVES = 500;

/** The table of one kernel config, at its place in `server_ids`. */
export interface ServerIdTable {
  readonly shape: TableShape;
  /** Fills an empty table that no packet reads yet. False: the IDs need more rows. */
  build(ids: RoutedIds): boolean;
  /** The real of an ID, 0 if it is absent; found by the same steps as in the packet program. */
  get(id: IdWords): number;
  /**
   * Changes one ID while packets read the table; real 0 removes it. False: the ID has no place
   * here, and the caller must build another table.
   */
  set(id: IdWords, real: number): boolean;
  /** How many IDs lead to a real in the rows from `first` on, up to but without `end`. */
  occupied(first: number, end: number): number;
  /** Every ID that leads to a real, with the index of that real. */
  entries(): Generator<readonly [IdWords, number], void, void>;
}

/** @param base first row in `view` */
export function serverIdTable(
  view: ArrayView,
  base: number,
  shape: TableShape,
  clock: Clock,
): ServerIdTable {
  return shape.kind === 'dense'
    ? new DenseTable(view, base, shape)
    : new BucketTable(view, base, shape, clock);
}

class DenseTable implements ServerIdTable {
  readonly shape: DenseShape;
  readonly #view: ArrayView;
  readonly #first: number;

  constructor(view: ArrayView, base: number, shape: DenseShape) {
    this.shape = shape;
    this.#view = view;
    this.#first = base * WORDS_PER_ROW;
  }

  build(ids: RoutedIds): boolean {
    for (let i = 0; i < ids.length; i++) {
      const index = this.#index(ids.id(i));
      if (index < 0) return false;
      this.#view.u32[this.#first + index] = ids.real(i);
    }
    return true;
  }

  get(id: IdWords): number {
    const index = this.#index(id);
    return index < 0 ? 0 : this.#view.load32(4 * (this.#first + index));
  }

  set(id: IdWords, real: number): boolean {
    const index = this.#index(id);
    if (index < 0) return real === 0;
    this.#view.store32(4 * (this.#first + index), real);
    return true;
  }

  occupied(first: number, end: number): number {
    const words = this.#view.u32;
    let count = 0;
    const from = this.#first + first * WORDS_PER_ROW;
    const to = this.#first + Math.min(end, rowsOfShape(this.shape)) * WORDS_PER_ROW;
    for (let at = from; at < to; at++) if (words[at] !== 0) count++;
    return count;
  }

  *entries(): Generator<readonly [IdWords, number], void, void> {
    const { indexBits, tag } = this.shape;
    const above = (tag[0] & ~onesWord(indexBits, 0)) >>> 0;
    for (let index = 0; index < 2 ** indexBits; index++) {
      const real = this.#view.u32[this.#first + index]!;
      if (real !== 0) yield [[(above | index) >>> 0, tag[1], tag[2], tag[3]], real];
    }
  }

  #index(id: IdWords): number {
    const { indexBits, tag } = this.shape;
    const mask = onesWord(indexBits, 0);
    const tagged =
      ((id[0] ^ tag[0]) & ~mask) === 0 && id[1] === tag[1] && id[2] === tag[2] && id[3] === tag[3];
    return tagged ? (id[0] & mask) >>> 0 : -1;
  }
}

class BucketTable implements ServerIdTable {
  readonly shape: BucketShape;
  readonly #view: ArrayView;
  readonly #first: number;
  readonly #clock: Clock;
  readonly #slots: number;
  readonly #idWords: number;
  readonly #realsAt: number;
  /**
   * Freed slots, by the index of the real's word, that a packet may still be reading, and until
   * what time.
   */
  readonly #inGrace = new Map<number, number>();

  constructor(view: ArrayView, base: number, shape: BucketShape, clock: Clock) {
    this.shape = shape;
    this.#view = view;
    this.#first = base * WORDS_PER_ROW;
    this.#clock = clock;
    ({ slots: this.#slots, idWords: this.#idWords, realsAt: this.#realsAt } = BUCKETS[shape.kind]);
  }

  build(ids: RoutedIds): boolean {
    // Any seed serves; a constant makes every build of the same IDs equal.
    let random = 0x2545f491;
    for (let i = 0; i < ids.length; i++) {
      let id = ids.id(i);
      let real = ids.real(i);
      const present = this.#find(id);
      if (present >= 0) {
        this.#view.u32[present] = real;
        continue;
      }
      let slot = this.#free(id);
      let last = -1;
      for (let moves = 0; slot < 0; moves++) {
        if (moves === MOST_MOVES) return false;
        // Cuckoo hashing: take a slot, then look for another slot for the ID that had it.
        random ^= random << 13;
        random ^= random >>> 17;
        random ^= random << 5;
        const rows = rowsOf(id, this.shape.rows);
        const row = rows[0] === last ? rows[1] : rows[0];
        const taken = this.#row(row) + this.#realsAt + ((random >>> 0) % this.#slots);
        const owner = this.#id(taken);
        const ownersReal = this.#view.u32[taken]!;
        this.#write(taken, id);
        this.#view.u32[taken] = real;
        id = owner;
        real = ownersReal;
        last = row;
        slot = this.#free(id);
      }
      this.#write(slot, id);
      this.#view.u32[slot] = real;
    }
    return true;
  }

  get(id: IdWords): number {
    const slot = this.#find(id);
    return slot < 0 ? 0 : this.#view.load32(4 * slot);
  }

  set(id: IdWords, real: number): boolean {
    const present = this.#find(id);
    if (present >= 0) {
      this.#view.store32(4 * present, real);
      if (real === 0) this.#inGrace.set(present, this.#clock.now() + GRACE_MS);
      return true;
    }
    if (real === 0) return true;
    const slot = this.#free(id);
    if (slot < 0) return false;
    this.#publish(slot, id, real);
    return true;
  }

  occupied(first: number, end: number): number {
    const words = this.#view.u32;
    let count = 0;
    for (let row = first; row < Math.min(end, this.shape.rows); row++) {
      const reals = this.#row(row) + this.#realsAt;
      for (let slot = reals; slot < reals + this.#slots; slot++) if (words[slot] !== 0) count++;
    }
    return count;
  }

  *entries(): Generator<readonly [IdWords, number], void, void> {
    for (let row = 0; row < this.shape.rows; row++) {
      const reals = this.#row(row) + this.#realsAt;
      for (let slot = reals; slot < reals + this.#slots; slot++) {
        const real = this.#view.u32[slot]!;
        if (real !== 0) yield [this.#id(slot), real];
      }
    }
  }

  /** Index of a row's first word. */
  #row(row: number): number {
    return this.#first + row * WORDS_PER_ROW;
  }

  /** The slot of an ID, as the index of its real's word, or -1. */
  #find(id: IdWords): number {
    for (const row of rowsOf(id, this.shape.rows)) {
      const reals = this.#row(row) + this.#realsAt;
      for (let slot = reals; slot < reals + this.#slots; slot++) {
        if (this.#view.u32[slot] !== 0 && sameId(this.#id(slot), id)) return slot;
      }
    }
    return -1;
  }

  /** A free slot in the emptier of the two rows, or -1. */
  #free(id: IdWords): number {
    let best = -1;
    let most = 0;
    for (const row of rowsOf(id, this.shape.rows)) {
      const reals = this.#row(row) + this.#realsAt;
      let free = 0;
      let candidate = -1;
      for (let slot = reals; slot < reals + this.#slots; slot++) {
        if (this.#view.u32[slot] !== 0 || this.#isInGrace(slot)) continue;
        free++;
        if (candidate < 0) candidate = slot;
      }
      if (free > most) {
        most = free;
        best = candidate;
      }
    }
    return best;
  }

  #isInGrace(slot: number): boolean {
    const until = this.#inGrace.get(slot);
    if (until === undefined) return false;
    if (until > this.#clock.now()) return true;
    this.#inGrace.delete(slot);
    return false;
  }

  /** Index of the first word of the ID that belongs to a slot. */
  #idAt(slot: number): number {
    const inRow = (slot - this.#first) % WORDS_PER_ROW;
    return slot - inRow + (inRow - this.#realsAt) * this.#idWords;
  }

  #id(slot: number): IdWords {
    const words = this.#view.u32;
    const at = this.#idAt(slot);
    if (this.#idWords === 2) return [words[at]!, words[at + 1]!, 0, 0];
    return [words[at + 2]!, words[at + 3]!, words[at]!, words[at + 1]!];
  }

  #write(slot: number, id: IdWords): void {
    const words = this.#view.u32;
    const at = this.#idAt(slot);
    const low = this.#idWords === 2 ? at : at + 2;
    words[low] = id[0];
    words[low + 1] = id[1];
    if (low === at) return;
    words[at] = id[2];
    words[at + 1] = id[3];
  }

  /** abi.h, "publish": to packets the slot is empty until its real is stored. */
  #publish(slot: number, id: IdWords, real: number): void {
    this.#write(slot, id);
    this.#view.store32(4 * slot, real);
  }
}
