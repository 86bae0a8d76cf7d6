// SPDX-License-Identifier: Apache-2.0

import type { Secret } from '../../core/secret.js';
import { Aes128, BLOCK, BLOCKS_PER_CALL } from './aes.js';
import { copyStrings } from './strided-copy.js';

/**
 * draft-ietf-quic-load-balancers-22, "Single-Pass Encryption": sid||nonce is one AES block.
 * Works in place on many packed CIDs, and takes the same arguments as Feistel.
 */
export class SinglePass {
  readonly #aes: Aes128;

  constructor(key: Secret) {
    this.#aes = new Aes128(key);
  }

  encrypt(packed: Uint8Array, offset: number, stride: number, count: number): void {
    this.#each(packed, offset, stride, count, (blocks) => this.#aes.encrypt(blocks));
  }

  decrypt(packed: Uint8Array, offset: number, stride: number, count: number): void {
    this.#each(packed, offset, stride, count, (blocks) => this.#aes.decrypt(blocks));
  }

  #each(
    octets: Uint8Array,
    offset: number,
    stride: number,
    count: number,
    cipher: (blocks: Uint8Array) => Uint8Array,
  ): void {
    for (let done = 0; done < count; done += BLOCKS_PER_CALL) {
      const some = Math.min(BLOCKS_PER_CALL, count - done);
      const place = { octets, offset: offset + done * stride, stride };
      const blocks = new Uint8Array(some * BLOCK);
      copyStrings(place, { octets: blocks, offset: 0, stride: BLOCK }, BLOCK, some);
      copyStrings({ octets: cipher(blocks), offset: 0, stride: BLOCK }, place, BLOCK, some);
    }
  }
}
