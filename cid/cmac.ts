// SPDX-License-Identifier: Apache-2.0
import { Aes128, BLOCK, BLOCKS_PER_CALL } from './aes.js';
import type { Secret } from './secret.js';

/**
 * AES-CMAC (RFC 4493) of many messages of one length: a cipher call for each block that a
 * message has, whatever the number of messages.
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
   * Writes the 16-octet codes of `count` packed messages of `length` octets into `out`,
   * one behind the other.
   */
  macs(messages: Uint8Array, length: number, count: number, out: Uint8Array): void {
    for (let done = 0; done < count; done += BLOCKS_PER_CALL) {
      const some = Math.min(BLOCKS_PER_CALL, count - done);
      out.set(this.#some(messages, done * length, length, some), done * BLOCK);
    }
  }

  /** The code of one message of any length. */
  mac(message: Uint8Array): Uint8Array {
    return Uint8Array.from(this.#some(message, 0, message.length, 1));
  }

  #some(messages: Uint8Array, offset: number, length: number, count: number): Uint8Array {
    if (this.#state.length < count * BLOCK) this.#state = new Uint8Array(count * BLOCK);
    const blocks = Math.max(1, Math.ceil(length / BLOCK));
    let chained: Uint8Array | null = null;
    for (let block = 0; block < blocks; block++) {
      const start = block * BLOCK;
      const last = block === blocks - 1;
      const present = Math.min(BLOCK, length - start);
      const constant = last ? this.#lastBlock(present) : new Uint8Array(BLOCK);
      this.#fill(messages, offset + start, length, present, constant, count);
      if (chained !== null) xorInto(this.#state, chained);
      chained = this.#aes.encrypt(this.#state.subarray(0, count * BLOCK));
    }
    return chained!;
  }

  /** What is XORed into the last block: the subkey, and the padding where there is any. */
  #lastBlock(present: number): Uint8Array {
    if (present === BLOCK) return this.#wholeKey;
    const constant = this.#paddedKey.slice();
    constant[present]! ^= 0x80;
    return constant;
  }

  #fill(
    messages: Uint8Array,
    offset: number,
    stride: number,
    present: number,
    constant: Uint8Array,
    count: number,
  ): void {
    const state = this.#state;
    for (let i = 0; i < count; i++) {
      const from = offset + i * stride;
      const to = i * BLOCK;
      for (let j = 0; j < present; j++) state[to + j] = messages[from + j]! ^ constant[j]!;
      for (let j = present; j < BLOCK; j++) state[to + j] = constant[j]!;
    }
  }
}

function xorInto(target: Uint8Array, other: Uint8Array): void {
  for (let j = 0; j < other.length; j++) target[j]! ^= other[j]!;
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
