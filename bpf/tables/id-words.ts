// SPDX-License-Identifier: Apache-2.0

/**
 * A server ID as the packet program sees it: a number of up to 120 bits, in four words of 32
 * bits, the lowest first. Words rather than a bigint, because a million IDs are made at once.
 */
export type IdWords = readonly [number, number, number, number];

/** Octets of the longest server ID. */
export const MAX_SERVER_ID_LENGTH = 15;

/** @param id 1..15 octets, most significant first */
export function wordsOf(id: Uint8Array): IdWords {
  const end = id.length;
  return [
    wordBefore(id, end),
    wordBefore(id, end - 4),
    wordBefore(id, end - 8),
    wordBefore(id, end - 12),
  ];
}

/** The word whose last octet is the one before `end`. */
function wordBefore(id: Uint8Array, end: number): number {
  let word = 0;
  for (let i = Math.max(0, end - 4); i < end; i++) word = (word << 8) | id[i]!;
  return word >>> 0;
}

/** The inverse of {@link wordsOf}, for IDs of `length` octets. */
export function octetsOf(words: IdWords, length: number): Uint8Array {
  const id = new Uint8Array(length);
  for (let i = 0; i < length; i++) id[length - 1 - i] = words[i >> 2]! >>> (8 * (i & 3));
  return id;
}

export function sameId(a: IdWords, b: IdWords): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
}

/** Which two of `rows` rows an ID may stand in: the twin of server_id_rows in server_id.h. */
export function rowsOf(id: IdWords, rows: number): [number, number] {
  multiply(id[3], id[2], 0xd6e8feb8, 0x6659fd93);
  multiply((high ^ id[1]) >>> 0, (low ^ id[0]) >>> 0, 0x9e3779b9, 0x7f4a7c15);
  multiply(high, (low ^ high) >>> 0, 0xc2b2ae3d, 0x27d4eb4f);
  // Up to 2^21 rows the products are exact.
  return [Math.floor((high * rows) / 0x1_0000_0000), Math.floor((low * rows) / 0x1_0000_0000)];
}

/** Rows that {@link rowsOf} can tell apart without rounding. */
export const MAX_ROWS = 1 << 21;

// Result of multiply, which returns two words without making an object.
let high = 0;
let low = 0;

/** Multiplies modulo 2^64, in parts that a double holds exactly. */
function multiply(aHigh: number, aLow: number, bHigh: number, bLow: number): void {
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const middle = a1 * b0 + Math.floor((a0 * b0) / 0x10000);
  const cross = (middle & 0xffff) + a0 * b1;
  const carry = a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000);
  low = Math.imul(aLow, bLow) >>> 0;
  high = (carry + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) >>> 0;
}
