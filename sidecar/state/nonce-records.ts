// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import type { SpaceRecord, StateContent } from './state-file.js';

/** Octets of the key of the permutation that turns counters into nonces. */
const PERMUTATION_KEY_LENGTH = 16;

/** The high-water mark of each nonce space. A record is never removed, nor does its mark fall. */
export class NonceRecords {
  readonly #content: Pick<StateContent, 'spaces'>;
  readonly #random: (length: number) => Uint8Array;

  constructor(content: Pick<StateContent, 'spaces'>, random: (length: number) => Uint8Array) {
    this.#content = content;
    this.#random = random;
  }

  /**
   * The record of a nonce space; the first call for it makes one that begins at a random
   * counter. It becomes durable together with the mark of the first block.
   */
  of(fingerprint: string, nonceLength: number): SpaceRecord {
    const known = this.#content.spaces.find((space) => space.fingerprint === fingerprint);
    if (known !== undefined) return known;
    const fresh: SpaceRecord = {
      fingerprint,
      nonceLength,
      start: BigInt(`0x${toHex(this.#random(nonceLength))}`),
      used: 0n,
      permutationKey: toHex(this.#random(PERMUTATION_KEY_LENGTH)),
    };
    this.#content.spaces.push(fresh);
    return fresh;
  }
}
