// SPDX-License-Identifier: Apache-2.0

/** Numbers of one page, and its octets. */
const PAGE = 2 ** 16;
const PAGE_OCTETS = PAGE / 8;

/** Bits that are set in an octet. */
const BITS = Uint8Array.from({ length: 256 }, (_, octet) =>
  [...octet.toString(2)].reduce((sum, bit) => sum + Number(bit), 0),
);

/** A set of numbers from 0 to 2^32 - 1, a bit each: server IDs are dense. */
export class NumberSet {
  readonly #pages = new Map<number, Uint8Array>();
  /** Numbers of the set on each page. */
  readonly #counts = new Map<number, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(number: number): boolean {
    const page = this.#pages.get(Math.floor(number / PAGE));
    const at = number % PAGE;
    return page !== undefined && ((page[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }

  add(number: number): void {
    if (this.has(number)) return;
    const index = Math.floor(number / PAGE);
    let page = this.#pages.get(index);
    if (page === undefined) {
      page = new Uint8Array(PAGE_OCTETS);
      this.#pages.set(index, page);
    }
    const at = number % PAGE;
    page[at >> 3] = (page[at >> 3] ?? 0) | (1 << (at & 7));
    this.#count(index, 1);
  }

  delete(number: number): void {
    if (!this.has(number)) return;
    const page = this.#pages.get(Math.floor(number / PAGE));
    const at = number % PAGE;
    if (page !== undefined) page[at >> 3] = (page[at >> 3] ?? 0) & ~(1 << (at & 7));
    this.#count(Math.floor(number / PAGE), -1);
  }

  #count(page: number, by: 1 | -1): void {
    this.#size += by;
    this.#counts.set(page, (this.#counts.get(page) ?? 0) + by);
  }

  /** The lowest number from `from` on that is not in the set. */
  firstAbsent(from: number): number {
    let number = from;
    for (;;) {
      const page = this.#pages.get(Math.floor(number / PAGE));
      if (page === undefined) return number;
      const at = number % PAGE;
      // Eight at a time where all of them are taken.
      if ((at & 7) === 0 && page[at >> 3] === 0xff) number += 8;
      else if (this.has(number)) number += 1;
      else return number;
    }
  }

  /** How many of the set are from `first` to `last`. */
  countIn(first: number, last: number): number {
    let count = 0;
    for (const [index, page] of this.#pages) {
      const begin = index * PAGE;
      const from = Math.max(first - begin, 0);
      const to = Math.min(last - begin, PAGE - 1);
      if (from === 0 && to === PAGE - 1) count += this.#counts.get(index) ?? 0;
      else count += countOn(page, from, to);
    }
    return count;
  }
}

/** @param from the first number that counts, on this page; nothing counts where it is over `to` */
function countOn(page: Uint8Array, from: number, to: number): number {
  let count = 0;
  for (let number = from; number <= to; number += 1) {
    const octet = page[number >> 3] ?? 0;
    // Eight at a time where all of them count.
    if ((number & 7) === 0 && number + 7 <= to) {
      count += BITS[octet] ?? 0;
      number += 7;
    } else if ((octet & (1 << (number & 7))) !== 0) count += 1;
  }
  return count;
}
