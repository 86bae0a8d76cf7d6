// SPDX-License-Identifier: Apache-2.0
import { type Cipher, createCipheriv, createDecipheriv, type Decipher } from 'node:crypto';
import { CidecarError } from '../../core/errors.js';
import type { Secret } from '../../core/secret.js';

/** Octets of an AES block, of an AES-128 key, and of a stateless reset token. */
export const BLOCK = 16;

/**
 * The most blocks that we pass to one cipher call. With fewer, the fixed cost of a call weighs
 * too much (with 256, minting has half the rate). With more, what one step writes has left the
 * nearer caches when the next step reads it.
 */
export const BLOCKS_PER_CALL = 1024;

/**
 * The AES-128 permutation over whole blocks. It keeps its cipher objects: a new one costs about
 * 4 us, a call of one that exists 0.5 us, and each block within a call a few nanoseconds. ECB
 * carries no state from block to block, so the objects can be used for ever.
 */
export class Aes128 {
  readonly #key: Secret;
  #cipher: Cipher | undefined;
  #decipher: Decipher | undefined;

  /** @param key 16 octets; throws KEY_INVALID otherwise */
  constructor(key: Secret) {
    if (key.length !== BLOCK) {
      throw new CidecarError('KEY_INVALID', `an AES-128 key has 16 octets, not ${key.length}`);
    }
    this.#key = key;
  }

  /** Encrypts any number of whole blocks into a new buffer, by one call of the cipher. */
  encrypt(blocks: Uint8Array): Uint8Array {
    this.#cipher ??= createCipheriv('aes-128-ecb', this.#key.reveal(), null).setAutoPadding(false);
    return this.#cipher.update(blocks);
  }

  /** The inverse of {@link encrypt}. */
  decrypt(blocks: Uint8Array): Uint8Array {
    this.#decipher ??= createDecipheriv('aes-128-ecb', this.#key.reveal(), null).setAutoPadding(
      false,
    );
    return this.#decipher.update(blocks);
  }
}
