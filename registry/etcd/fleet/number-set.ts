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
    this.#size += 1;
  }

  delete(number: number): void {
    if (!this.has(number)) return;
    const page = this.#pages.get(Math.floor(number / PAGE));
    const at = number % PAGE;
    if (page !== undefined) page[at >> 3] = (page[at >> 3] ?? 0) & ~(1 << (at & 7));
    this.#size -= 1;
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
      if (begin > last || begin + PAGE <= first) continue;
      for (const [at, octet] of page.entries()) {
        if (octet === 0) continue;
        const number = begin + at * 8;
        if (number >= first && number + 7 <= last) {
          count += BITS[octet] ?? 0;
          continue;
        }
        for (let bit = 0; bit < 8; bit += 1) {
          const each = number + bit;
          if ((octet & (1 << bit)) !== 0 && each >= first && each <= last) count += 1;
        }
      }
    }
    return count;
  }
}
