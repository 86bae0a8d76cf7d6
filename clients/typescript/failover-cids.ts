// SPDX-License-Identifier: Apache-2.0
import { randomBytes, randomFillSync } from 'node:crypto';
import {
  FAILOVER_CONFIG_ID,
  failoverCids,
  RESET_TOKEN_LENGTH,
  ResetTokens,
} from '../../cid/index.js';
import { Secret } from '../../core/index.js';
import { BatchQueue, type PooledCid } from './batch-queue.js';

/** How many CIDs are made at a time. */
const BATCH = 64;

/**
 * 0b111 CIDs that are made in this process while the pool is dry. Their tokens are made with a
 * key that ends with the process, so the sidecar cannot make them again and says so if asked.
 */
export class FailoverCids {
  readonly #cidLength: number;
  readonly #zeroHostId: boolean;
  readonly #tokens = new ResetTokens(new Secret(randomBytes(16)));
  readonly #queue = new BatchQueue();

  constructor(cidLength: number, zeroHostId: boolean) {
    this.#zeroHostId = zeroHostId;
    this.#cidLength = cidLength;
  }

  take(generation: number): PooledCid {
    if (this.#queue.size === 0) this.#refill();
    const made = this.#queue.shift();
    if (made === undefined) throw new Error('unreachable: the queue was just filled');
    return { ...made, generation };
  }

  #refill(): void {
    const cids = new Uint8Array(BATCH * this.#cidLength);
    const tokens = new Uint8Array(BATCH * RESET_TOKEN_LENGTH);
    failoverCids(this.#cidLength, BATCH, cids, randomFillSync, {
      zeroHostId: this.#zeroHostId,
    });
    this.#tokens.batch(cids, this.#cidLength, BATCH, tokens);
    this.#queue.push({
      cids,
      tokens,
      count: BATCH,
      cidLength: this.#cidLength,
      configId: FAILOVER_CONFIG_ID,
      generation: 0,
      routable: false,
    });
  }
}
