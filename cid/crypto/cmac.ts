// SPDX-License-Identifier: Apache-2.0

import type { Secret } from '../../core/secret.js';
import { Aes128, BLOCK, BLOCKS_PER_CALL } from './aes.js';
import { copyStrings, wordsOf } from './strided-copy.js';

/**
 * AES-CMAC (RFC 4493) of many messages of one length. Up to 1024 messages together take one
 * cipher call for each block that a message has.
 */
export class Cmac {
  readonly #aes: Aes128;
  /** RFC 4493 section 2.3: XORed into a last block that is whole. */
  readonly #wholeKey: Uint8Array;
  /** XORed into a last block that was padded. */
  readonly #paddedKey: Uint8Array;
  #state = new Uint8Array(0);

  /** @param key 16 octets */
  constructor(key: Secret) {
    this.#aes = new Aes128(key);
    this.#wholeKey = double(this.#aes.encrypt(new Uint8Array(BLOCK)));
    this.#paddedKey = double(this.#wholeKey);
  }

  /**
   * Writes the codes of `count` packed messages of `length` octets into `out`, packed, 16
   * octets each.
   */
  macs(messages: Uint8Array, length: number, count: number, out: Uint8Array): void {
    for (let done = 0; done < count; done += BLOCKS_PER_CALL) {
      const some = Math.min(BLOCKS_PER_CALL, count - done);
      out.set(this.#some(messages, done * length, length, some), done * BLOCK);
    }
  }

  /** The code, 16 octets, of one message of any length. */
  mac(message: Uint8Array): Uint8Array {
    return Uint8Array.from(this.#some(message, 0, message.length, 1));
  }

  #some(octets: Uint8Array, offset: number, length: number, count: number): Uint8Array {
    if (this.#state.length < count * BLOCK) this.#state = new Uint8Array(count * BLOCK);
    const state = this.#state.subarray(0, count * BLOCK);
    const blocks = Math.max(1, Math.ceil(length / BLOCK));
    let chained: Uint8Array | null = null;
    for (let block = 0; block < blocks; block++) {
      const start = block * BLOCK;
      const present = Math.min(BLOCK, length - start);
      if (present < BLOCK) state.fill(0);
      const messages = { octets, offset: offset + start, stride: length };
      copyStrings(messages, { octets: state, offset: 0, stride: BLOCK }, present, count);
      if (chained !== null) xorInto(state, chained);
      if (block === blocks - 1) xorIntoEach(state, this.#lastBlock(present));
      chained = this.#aes.encrypt(state);
    }
    return chained!;
  }

  /** The constant that is XORed into the last block: the subkey, and the padding if there is any. */
  #lastBlock(present: number): Uint8Array {
    if (present === BLOCK) return this.#wholeKey;
    const constant = this.#paddedKey.slice();
    constant[present]! ^= 0x80;
    return constant;
  }
}

function xorInto(target: Uint8Array, other: Uint8Array): void {
  const words = wordsOf(target);
  const others = wordsOf(other);
  for (let w = 0; w < words.length; w++) words[w]! ^= others[w]!;
}

function xorIntoEach(blocks: Uint8Array, constant: Uint8Array): void {
  const words = wordsOf(blocks);
  const constants = wordsOf(constant);
  const word0 = constants[0]!;
  const word1 = constants[1]!;
  const word2 = constants[2]!;
  const word3 = constants[3]!;
  for (let w = 0; w < words.length; w += 4) {
    words[w]! ^= word0;
    words[w + 1]! ^= word1;
    words[w + 2]! ^= word2;
    words[w + 3]! ^= word3;
  }
}

/** Multiplication by x in GF(2^128) with RFC 4493's polynomial. */
function double(octets: Uint8Array): Uint8Array {
  const doubled = new Uint8Array(BLOCK);
  for (let j = 0; j < BLOCK; j++) {
    doubled[j] = (octets[j]! << 1) | ((octets[j + 1] ?? 0) >> 7);
  }
  if (octets[0]! & 0x80) doubled[BLOCK - 1]! ^= 0x87;
  return doubled;
}
