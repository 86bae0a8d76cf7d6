// SPDX-License-Identifier: Apache-2.0

import type { Secret } from '../../core/secret.js';
import { BLOCKS_PER_CALL } from '../crypto/aes.js';
import type { CidCodec } from '../types.js';
import { NonceSequence } from './nonce-sequence.js';
import { RESET_TOKEN_LENGTH, type TokenMaker } from './reset-tokens.js';

export interface MinterOptions {
  readonly codec: CidCodec;
  readonly serverId: Uint8Array;
  /**
   * 16 octets that serve this codec and server ID and nothing else. Used if the CIDs show
   * their nonces, and ignored if a key hides them.
   */
  readonly permutationKey: Secret;
  /** Makes the reset tokens; null for a minter of CIDs without tokens. */
  readonly resetTokens: TokenMaker | null;
}

/**
 * Mints CIDs of one config and server ID, with their reset tokens, from a range of counters. It
 * keeps no count of those that were used. So the caller has to choose ranges that never overlap,
 * and to record each as used, durably, before it passes it here.
 */
export class Minter {
  readonly codec: CidCodec;
  readonly serverId: Uint8Array;
  readonly #sequence: NonceSequence;
  readonly #resetTokens: TokenMaker | null;
  readonly #nonces: Uint8Array;

  /** Throws SERVER_ID_INVALID or KEY_INVALID. */
  constructor(options: MinterOptions) {
    const { codec, serverId, permutationKey, resetTokens } = options;
    codec.checkServerId(serverId);
    this.codec = codec;
    this.serverId = Uint8Array.from(serverId);
    this.#sequence = nonceSequenceOf(codec, permutationKey);
    this.#resetTokens = resetTokens;
    this.#nonces = new Uint8Array(BLOCKS_PER_CALL * codec.nonceLength);
  }

  /** How many CIDs there are under this config and server ID. */
  get size(): bigint {
    return this.#sequence.size;
  }

  /**
   * Writes the CIDs of the counters `first`, `first + 1`, ... modulo {@link size} into `cids`
   * (packed, codec.cidLength octets each), and their tokens into `tokens` (packed, 16 octets
   * each). Batches of 512 or more reach full speed.
   *
   * @param serverUse as in {@link CidCodec.encodeBatch}; tokens cover it
   */
  mint(
    first: bigint,
    count: number,
    cids: Uint8Array,
    tokens: Uint8Array | null,
    serverUse?: Uint8Array,
  ): void {
    const { cidLength, nonceLength } = this.codec;
    if (cids.length < count * cidLength) {
      throw new RangeError(`cids has ${cids.length} octets; ${count * cidLength} are written`);
    }
    if (tokens !== null && tokens.length < count * RESET_TOKEN_LENGTH) {
      throw new RangeError(
        `tokens has ${tokens.length} octets; ${count * RESET_TOKEN_LENGTH} are written`,
      );
    }
    if (tokens !== null && this.#resetTokens === null) {
      throw new TypeError('this minter was given no reset key');
    }
    // Parts are small enough that what one step writes is in the cache when the next reads it.
    for (let done = 0; done < count; done += BLOCKS_PER_CALL) {
      const some = Math.min(BLOCKS_PER_CALL, count - done);
      const nonces = this.#nonces.subarray(0, some * nonceLength);
      const part = cids.subarray(done * cidLength, (done + some) * cidLength);
      this.#sequence.fill(first + BigInt(done), some, nonces);
      this.codec.encodeBatch(this.serverId, nonces, some, part, serverUse);
      if (tokens === null) continue;
      const into = tokens.subarray(done * RESET_TOKEN_LENGTH, (done + some) * RESET_TOKEN_LENGTH);
      this.#resetTokens?.batch(part, cidLength, some, into);
    }
  }
}

/** Whether the nonces of a codec's CIDs are in the clear, and therefore must be unlinkable. */
export function showsNonces(codec: CidCodec): boolean {
  return codec.decodePlan.kind === 'extract';
}

/** Counters become nonces by a permutation if CIDs show them, and unchanged otherwise. */
export function nonceSequenceOf(codec: CidCodec, permutationKey: Secret): NonceSequence {
  return new NonceSequence(codec.nonceLength, showsNonces(codec) ? permutationKey : null);
}
