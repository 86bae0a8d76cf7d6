// SPDX-License-Identifier: Apache-2.0
import type { CidCodec } from '../../cid/index.js';
import { NonceSpace } from './nonce-space.js';
import type { StateStore } from './state-store.js';

/**
 * The nonce spaces that are in use, one for each record of the store: two for one record would
 * hand out the same counters. Configs that share scheme, key and nonce length share a space.
 */
export class NonceSpaces {
  readonly #store: StateStore;
  readonly #now: () => number;
  readonly #onRecorded: () => void;
  readonly #spaces = new Map<string, NonceSpace>();

  /** @param onRecorded called when counters of any space were recorded as used */
  constructor(store: StateStore, now: () => number, onRecorded: () => void) {
    this.#store = store;
    this.#now = now;
    this.#onRecorded = onRecorded;
  }

  of(codec: CidCodec, serverId: Uint8Array): NonceSpace {
    const fingerprint = this.#store.fingerprints.space(codec, serverId);
    const known = this.#spaces.get(fingerprint);
    if (known !== undefined) return known;
    const record = this.#store.nonces.of(fingerprint, codec.nonceLength);
    const space = new NonceSpace(this.#store, record, this.#now, this.#onRecorded);
    this.#spaces.set(fingerprint, space);
    return space;
  }
}
