// SPDX-License-Identifier: Apache-2.0
import { ITEMS_PER_STEP, type Steps } from './steps.js';

/** A list of IDs, and whose it is. */
export interface IdList<Owner> {
  readonly owner: Owner;
  /** The IDs, one after the other. */
  readonly octets: Uint8Array;
}

/** One ID of a list. */
export interface IdPlace<Owner> {
  readonly owner: Owner;
  readonly index: number;
}

/** Slots at first, a power of two. */
const SLOTS = 64;
/** Slots that are free, at least, for one that is not: with fewer the look-ups grow long. */
const FREE_PER_TAKEN = 1;

/**
 * IDs of one length, each with its first owner. A hash table over the octets themselves, in
 * which a million IDs take 20 MB and a third of a second; a Map of texts took four times that.
 */
export class IdTable<Owner> {
  readonly #length: number;
  readonly #lists: { readonly owner: Owner; readonly first: number }[] = [];
  /** All IDs that were put in; an ID's number is its place here. */
  #octets: Uint8Array;
  #count = 0;
  /** Of an ID, its number + 1; 0 is free. */
  #slots = new Int32Array(SLOTS);
  #taken = 0;

  /** @param length octets of each ID */
  constructor(length: number) {
    this.#length = length;
    this.#octets = new Uint8Array(SLOTS * length);
  }

  get idLength(): number {
    return this.#length;
  }

  /**
   * Puts in the IDs of a list. Those that are there already stay with their first owner.
   *
   * @param onRepeat called for each of those, with its index in the list and its first place
   * @param onNew called for each other one
   */
  *add(
    { owner, octets }: IdList<Owner>,
    onRepeat: (index: number, first: IdPlace<Owner>) => void,
    onNew: (index: number) => void,
  ): Steps<void> {
    const length = this.#length;
    const total = octets.length / length;
    this.#lists.push({ owner, first: this.#count });
    this.#reserve(total);
    this.#octets.set(octets, this.#count * length);
    for (let index = 0; index < total; index += 1) {
      if (index % ITEMS_PER_STEP === ITEMS_PER_STEP - 1) yield;
      if (this.#taken * (1 + FREE_PER_TAKEN) >= this.#slots.length) yield* this.#grow();
      const number = this.#count + index;
      const slot = this.#slotOf(this.#octets, number * length);
      const there = this.#slots[slot];
      if (there !== undefined && there !== 0) {
        onRepeat(index, this.#placeOf(there - 1));
        continue;
      }
      this.#slots[slot] = number + 1;
      this.#taken += 1;
      onNew(index);
    }
    this.#count += total;
  }

  /** Where the ID stands that lies at an offset of `octets`. */
  find(octets: Uint8Array, offset: number): IdPlace<Owner> | undefined {
    const there = this.#slots[this.#slotOf(octets, offset)];
    return there === undefined || there === 0 ? undefined : this.#placeOf(there - 1);
  }

  #reserve(ids: number): void {
    const needed = (this.#count + ids) * this.#length;
    if (needed <= this.#octets.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#octets.length * 2));
    larger.set(this.#octets);
    this.#octets = larger;
  }

  *#grow(): Steps<void> {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 1) {
      if (at % ITEMS_PER_STEP === 0) yield;
      const there = old[at];
      if (there === undefined || there === 0) continue;
      this.#slots[this.#slotOf(this.#octets, (there - 1) * this.#length)] = there;
    }
  }

  /** The slot that has this ID, or the free one where it belongs. */
  #slotOf(octets: Uint8Array, offset: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(octets, offset, this.#length) & mask;
    for (;;) {
      const there = this.#slots[slot];
      if (there === undefined || there === 0 || this.#isAt(there - 1, octets, offset)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #isAt(number: number, octets: Uint8Array, offset: number): boolean {
    const at = number * this.#length;
    for (let i = 0; i < this.#length; i += 1) {
      if (this.#octets[at + i] !== octets[offset + i]) return false;
    }
    return true;
  }

  #placeOf(number: number): IdPlace<Owner> {
    let low = 0;
    let high = this.#lists.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lists[middle]?.first ?? 0) <= number) low = middle;
      else high = middle - 1;
    }
    const list = this.#lists[low];
    if (list === undefined) throw new Error('an ID of no list');
    return { owner: list.owner, index: number - list.first };
  }
}

/** Mixes every octet into all 32 bits, since many IDs differ in their last bits alone. */
function hashOf(octets: Uint8Array, offset: number, length: number): number {
  let hash = 0x9e3779b9;
  for (let i = offset; i < offset + length; i += 1) {
    hash = Math.imul(hash ^ (octets[i] ?? 0), 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
