// SPDX-License-Identifier: Apache-2.0
import { type CidCodec, type FailoverForm, failoverBodyLength } from '../../cid/index.js';
import { NonceSpace, type NonceSpaceOptions } from './nonce-space.js';
import type { StateStore } from './state-store.js';

/** Each start of a sidecar uses up a block of 0b111 CIDs: 2^16 starts are to be possible. */
const FAILOVER_STARTS_BITS = 16;
/** The largest such block. It is there for a disk that fails, so it is to last for any outage. */
const MOST_FAILOVER = 1n << 32n;

/**
 * The nonce spaces that are in use, one for each record of the store: two for one record would
 * hand out the same counters. Configs that share scheme, key and nonce length share a space.
 */
export class NonceSpaces {
  readonly #store: StateStore;
  readonly #options: NonceSpaceOptions;
  readonly #spaces = new Map<string, NonceSpace>();

  /** @param options of every space */
  constructor(store: StateStore, options: NonceSpaceOptions) {
    this.#store = store;
    this.#options = options;
  }

  of(codec: CidCodec, serverId: Uint8Array): NonceSpace {
    const fingerprint = this.#store.fingerprints.space(codec, serverId);
    return this.#space(fingerprint, codec.nonceLength, this.#options);
  }

  /** The space of the 0b111 CIDs of one form. */
  ofFailover(form: FailoverForm): NonceSpace {
    const length = failoverBodyLength(form);
    const firstBlock = smaller(1n << BigInt(8 * length - FAILOVER_STARTS_BITS), MOST_FAILOVER);
    const options = {
      ...this.#options,
      firstBlock: Number(firstBlock),
      exhaustion: `every 0b111 CID of ${form.cidLength} octets was used: take longer CIDs`,
    };
    return this.#space(this.#store.fingerprints.failover(form), length, options);
  }

  #space(fingerprint: string, nonceLength: number, options: NonceSpaceOptions): NonceSpace {
    const known = this.#spaces.get(fingerprint);
    if (known !== undefined) return known;
    const record = this.#store.nonces.of(fingerprint, nonceLength);
    const space = new NonceSpace(this.#store, record, options);
    this.#spaces.set(fingerprint, space);
    return space;
  }
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
