// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import {
  FAILOVER_CONFIG_ID,
  type FailoverForm,
  RESET_TOKEN_LENGTH,
  ResetTokens,
} from '../../cid/index.js';
import { Secret } from '../../core/index.js';
import { BatchQueue } from './batch-queue.js';
import { FailoverCounters } from './failover-counters.js';
import { type PooledCid, UnusedCid } from './pooled-cid.js';

/** How many CIDs are made at a time. */
const BATCH = 64;

/** One for all pools, because no CID may leave this process twice whichever pool makes it. */
const countersOfThisProcess = new FailoverCounters();

/**
 * 0b111 CIDs that are made in this process while the pool is dry, none of them twice. Their tokens
 * are made with a key that ends with the process, so the sidecar cannot make them again and says
 * so if asked.
 */
export class FailoverCids {
  readonly #form: FailoverForm;
  readonly #counters: FailoverCounters;
  readonly #tokens = new ResetTokens(new Secret(randomBytes(16)));
  readonly #queue = new BatchQueue();

  /** @param counters tests pass their own */
  constructor(cidLength: number, zeroHostId: boolean, counters = countersOfThisProcess) {
    this.#form = { cidLength, zeroHostId };
    this.#counters = counters;
  }

  /** Throws NONCES_EXHAUSTED where this process has made every CID of the form. */
  take(generation: number): PooledCid {
    if (this.#queue.size === 0) this.#refill();
    const made = this.#queue.shift();
    if (made === undefined) throw new Error('unreachable: the queue was just filled');
    return new UnusedCid(made.cid, made.token, false, generation);
  }

  /** Begins again with the CIDs that this process made first; from here on they repeat. */
  startOver(): void {
    this.#counters.startOver(this.#form);
  }

  #refill(): void {
    const { cidLength } = this.#form;
    const { cids, count } = this.#counters.make(this.#form, BATCH);
    const tokens = new Uint8Array(count * RESET_TOKEN_LENGTH);
    this.#tokens.batch(cids, cidLength, count, tokens);
    this.#queue.push({
      cids,
      tokens,
      count,
      cidLength,
      configId: FAILOVER_CONFIG_ID,
      generation: 0,
      routable: false,
      lifetimeMs: 0,
    });
  }
}
