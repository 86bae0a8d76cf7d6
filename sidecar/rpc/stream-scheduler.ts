// SPDX-License-Identifier: Apache-2.0
import type { IssuedCids } from '../issuing/issued-cids.js';
import type { Issuer } from '../issuing/issuer.js';
import type { SidecarMetrics } from '../metrics.js';

/** A stream that wants CIDs. */
export interface Taker {
  /** The server-use octets of its CIDs; undefined where they are all random. */
  readonly serverUse: Uint8Array | undefined;
  /** How many CIDs it takes now; 0 takes it off the schedule. */
  wants(): number;
  give(batch: IssuedCids): void;
}

/** The most CIDs in a batch; minting is at full speed from 512 on. */
export const BATCH = 1024;
/** CIDs minted before other events of the process get their turn: about a millisecond's work. */
const TURN = 4 * BATCH;

/**
 * Shares minting among takers: each gets one batch in its turn, so that one that wants many CIDs
 * does not keep others waiting. Between turns other events of the process are handled.
 */
export class StreamScheduler {
  readonly #issuer: Issuer;
  readonly #metrics: SidecarMetrics;
  /** In the order of their turns; each with the time since which it waits. */
  readonly #waiting = new Map<Taker, number>();
  #scheduled = false;

  constructor(issuer: Issuer, metrics: SidecarMetrics) {
    this.#issuer = issuer;
    this.#metrics = metrics;
  }

  /** To be called whenever `wants()` may have risen above 0. */
  schedule(taker: Taker): void {
    if (!this.#waiting.has(taker)) this.#waiting.set(taker, performance.now());
    this.#scheduleTurn();
  }

  remove(taker: Taker): void {
    this.#waiting.delete(taker);
  }

  #scheduleTurn(): void {
    if (this.#scheduled || this.#waiting.size === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    let budget = TURN;
    for (const [taker, since] of this.#waiting) {
      if (budget <= 0) break;
      this.#waiting.delete(taker);
      const wanted = taker.wants();
      if (wanted <= 0) continue;
      const batch = this.#issuer.issue(Math.min(wanted, BATCH), taker.serverUse);
      // A taker that is set again comes last in the order.
      if (batch === undefined) {
        this.#waiting.set(taker, since);
        this.#waitForIssuer();
        return;
      }
      const now = performance.now();
      this.#waiting.set(taker, now);
      budget -= batch.count;
      this.#metrics.issued('stream', batch);
      this.#metrics.batchWait.observe((now - since) / 1000);
      taker.give(batch);
    }
    this.#scheduleTurn();
  }

  #waitForIssuer(): void {
    this.#scheduled = true;
    void this.#issuer.ready().finally(() => {
      this.#scheduled = false;
      this.#scheduleTurn();
    });
  }
}
