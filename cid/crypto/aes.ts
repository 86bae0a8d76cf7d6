// SPDX-License-Identifier: Apache-2.0
import { type Cipher, createCipheriv, createDecipheriv, type Decipher } from 'node:crypto';
import { CidecarError } from '../../core/errors.js';
import type { Secret } from '../../core/secret.js';

/** Octets of an AES block, of an AES-128 key, and of a stateless reset token. */
export const BLOCK = 16;

/**
 * Most blocks that one cipher call is given. Fewer do not spread the fixed cost of a call
 * enough (256 mint at half the rate); with more, what one step writes leaves the nearer
 * caches before the next step reads it.
 */
export const BLOCKS_PER_CALL = 1024;

/**
 * The AES-128 permutation over whole blocks. The cipher objects live as long as this one:
 * a new one costs some 4 us, a call on an old one 0.5 us, and within a call a block
 * costs nanoseconds. ECB carries no state from block to block, so they never end.
 */
export class Aes128 {
  readonly #key: Secret;
  #cipher: Cipher | undefined;
  #decipher: Decipher | undefined;

  constructor(key: Secret) {
    if (key.length !== BLOCK) {
      throw new CidecarError('KEY_INVALID', `an AES-128 key has 16 octets, not ${key.length}`);
    }
    this.#key = key;
  }

  /** Encrypts whole blocks into a new buffer; one call into the cipher whatever their number. */
  encrypt(blocks: Uint8Array): Uint8Array {
    this.#cipher ??= createCipheriv('aes-128-ecb', this.#key.reveal(), null).setAutoPadding(false);
    return this.#cipher.update(blocks);
  }

  decrypt(blocks: Uint8Array): Uint8Array {
    this.#decipher ??= createDecipheriv('aes-128-ecb', this.#key.reveal(), null).setAutoPadding(
      false,
    );
    return this.#decipher.update(blocks);
  }
}
