// SPDX-License-Identifier: Apache-2.0

import type { Secret } from '../../core/secret.js';
import { Aes128, BLOCK, BLOCKS_PER_CALL } from './aes.js';
import { copyStrings, type Layout, wordsOf } from './strided-copy.js';

/**
 * The Feistel network of draft-ietf-quic-load-balancers-22, "Four-Pass Encryption". It works on
 * many strings of one length at a time, so that each pass over a batch is one cipher call. CIDs
 * are encrypted with four passes; nonces are permuted with more of them (nonce-sequence.ts).
 *
 * Each half has a 16-octet block of its own, laid out as the input of the round function: the
 * half from octet 0, zeroes, the length in octet 14, the pass number in octet 15. So a pass can
 * encrypt the blocks of one side without copying them, and XOR the result into the other side.
 * With an odd length the halves share the middle octet: its upper nibble is the end of the left
 * half, its lower nibble the start of the right half.
 */
export class Feistel {
  readonly #aes: Aes128;
  readonly #length: number;
  readonly #passes: number;
  readonly #half: number;
  readonly #odd: boolean;
  /** The bits of the round function's output that belong to a half, as words of a block. */
  readonly #leftMask: Uint32Array;
  readonly #rightMask: Uint32Array;
  /** The last word of a round input (two zeroes, length, pass), by pass number. */
  readonly #tails: Uint32Array;
  #left = new Uint8Array(0);
  #right = new Uint8Array(0);

  /** @param length octets of a string, 2..20, so that a half and the parameters fit one block */
  constructor(key: Secret, length: number, passes: number) {
    this.#aes = new Aes128(key);
    this.#length = length;
    this.#passes = passes;
    this.#half = (length + 1) >> 1;
    this.#odd = length % 2 === 1;

    const left = new Uint8Array(BLOCK).fill(0xff, 0, this.#half);
    const right = new Uint8Array(BLOCK).fill(0xff, 0, this.#half);
    if (this.#odd) {
      left[this.#half - 1] = 0xf0;
      right[0] = 0x0f;
    }
    this.#leftMask = wordsOf(left);
    this.#rightMask = wordsOf(right);

    // One more than there are passes, because the last pass prepares a next input as well.
    const tails = new Uint8Array(4 * (passes + 2));
    for (let pass = 0; pass < passes + 2; pass++) {
      tails[4 * pass + 2] = length;
      tails[4 * pass + 3] = pass;
    }
    this.#tails = wordsOf(tails);
  }

  /**
   * Encrypts in place `count` strings of `packed`, of which string i starts at
   * `offset + i * stride`.
   */
  encrypt(packed: Uint8Array, offset: number, stride: number, count: number): void {
    for (let done = 0; done < count; done += BLOCKS_PER_CALL) {
      const some = Math.min(BLOCKS_PER_CALL, count - done);
      const start = offset + done * stride;
      this.#load(packed, start, stride, some, 1);
      for (let pass = 1; pass <= this.#passes; pass++) this.#pass(pass, pass + 1, some);
      this.#store(packed, start, stride, some);
    }
  }

  /** The inverse of {@link encrypt}. */
  decrypt(packed: Uint8Array, offset: number, stride: number, count: number): void {
    for (let done = 0; done < count; done += BLOCKS_PER_CALL) {
      const some = Math.min(BLOCKS_PER_CALL, count - done);
      const start = offset + done * stride;
      this.#load(packed, start, stride, some, this.#passes);
      for (let pass = this.#passes; pass >= 1; pass--) this.#pass(pass, pass - 1, some);
      this.#store(packed, start, stride, some);
    }
  }

  /** Odd passes mix the left half into the right one, even passes the right half into the left. */
  #pass(pass: number, next: number, count: number): void {
    const intoRight = pass % 2 === 1;
    const source = intoRight ? this.#left : this.#right;
    const target = intoRight ? this.#right : this.#left;
    const stream = wordsOf(this.#aes.encrypt(source.subarray(0, count * BLOCK)));
    const mask = intoRight ? this.#rightMask : this.#leftMask;
    const tail = this.#tails[next]!;
    if (this.#half <= 4) mixOneWord(wordsOf(target), stream, mask, tail);
    else if (this.#half <= 8) mixTwoWords(wordsOf(target), stream, mask, tail);
    else mixThreeWords(wordsOf(target), stream, mask, tail);
  }

  /** @param first number of the first pass; its source gets its last word here */
  #load(packed: Uint8Array, offset: number, stride: number, count: number, first: number): void {
    if (this.#left.length < count * BLOCK) {
      this.#left = new Uint8Array(count * BLOCK);
      this.#right = new Uint8Array(count * BLOCK);
    }
    const left = this.#left;
    const right = this.#right;
    const half = this.#half;
    const toRight = offset + this.#length - half;
    copyStrings({ octets: packed, offset, stride }, blocksOf(left), half, count);
    copyStrings({ octets: packed, offset: toRight, stride }, blocksOf(right), half, count);
    if (this.#odd) {
      for (let block = 0; block < count * BLOCK; block += BLOCK) {
        left[block + half - 1]! &= 0xf0;
        right[block]! &= 0x0f;
      }
    }
    const source = wordsOf(first % 2 === 1 ? left : right);
    const tail = this.#tails[first]!;
    for (let word = 3; word < count * 4; word += 4) source[word] = tail;
  }

  #store(packed: Uint8Array, offset: number, stride: number, count: number): void {
    const left = this.#left;
    const right = this.#right;
    const half = this.#half;
    const toRight = offset + this.#length - half;
    if (this.#odd) {
      for (let block = 0; block < count * BLOCK; block += BLOCK) {
        right[block]! |= left[block + half - 1]!;
      }
    }
    copyStrings(blocksOf(left), { octets: packed, offset, stride }, half, count);
    // The right half comes second: its first octet is the shared one, and complete.
    copyStrings(blocksOf(right), { octets: packed, offset: toRight, stride }, half, count);
  }
}

function blocksOf(octets: Uint8Array): Layout {
  return { octets, offset: 0, stride: BLOCK };
}

// These are three copies of one loop. A half has at most ten octets, and an inner loop over one
// to three words would cost more than the words themselves.

function mixOneWord(target: Uint32Array, stream: Uint32Array, mask: Uint32Array, tail: number) {
  const mask0 = mask[0]!;
  for (let w = 0; w < stream.length; w += 4) {
    target[w]! ^= stream[w]! & mask0;
    target[w + 3] = tail;
  }
}

function mixTwoWords(target: Uint32Array, stream: Uint32Array, mask: Uint32Array, tail: number) {
  const mask0 = mask[0]!;
  const mask1 = mask[1]!;
  for (let w = 0; w < stream.length; w += 4) {
    target[w]! ^= stream[w]! & mask0;
    target[w + 1]! ^= stream[w + 1]! & mask1;
    target[w + 3] = tail;
  }
}

function mixThreeWords(target: Uint32Array, stream: Uint32Array, mask: Uint32Array, tail: number) {
  const mask0 = mask[0]!;
  const mask1 = mask[1]!;
  const mask2 = mask[2]!;
  for (let w = 0; w < stream.length; w += 4) {
    target[w]! ^= stream[w]! & mask0;
    target[w + 1]! ^= stream[w + 1]! & mask1;
    target[w + 2]! ^= stream[w + 2]! & mask2;
    target[w + 3] = tail;
  }
}
