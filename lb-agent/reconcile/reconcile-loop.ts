// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { Backoff, SayOnce, SerialWork } from '../../core/index.js';
import type { Goal } from './goal.js';

/** Milliseconds before a failed attempt is repeated the first time, and at most. */
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;

/** Works towards the goal that was wanted last, one attempt at a time, until it is reached. */
export class ReconcileLoop {
  readonly #reconcile: (goal: Goal) => Promise<void>;
  readonly #log: Logger;
  readonly #attempts = new SerialWork(() => this.#attempt());
  readonly #backoff = new Backoff({ firstMs: FIRST_RETRY_MS, longestMs: LONGEST_RETRY_MS });
  readonly #errors = new SayOnce();
  #wanted: Goal | undefined;
  /** Attempts that failed since one succeeded. */
  #failures = 0;
  #closed = false;

  constructor(reconcile: (goal: Goal) => Promise<void>, log: Logger) {
    this.#reconcile = reconcile;
    this.#log = log;
  }

  want(goal: Goal): void {
    if (this.#closed) return;
    this.#wanted = goal;
    this.#backoff.reset();
    void this.#attempts.run();
  }

  /** Resolves when the attempt under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#backoff.cancel();
    await this.#attempts.idle();
  }

  async #attempt(): Promise<void> {
    const goal = this.#wanted;
    if (goal === undefined || this.#closed) return;
    try {
      await this.#reconcile(goal);
      if (this.#wanted === goal) this.#wanted = undefined;
      this.#failures = 0;
      this.#backoff.reset();
      this.#errors.over();
      this.#log.info({ revision: goal.desired.revision }, 'desired state applied');
    } catch (error) {
      this.#failures += 1;
      const overtaken = this.#wanted !== goal;
      // A newer goal may well be the correction; it waits for this attempt to end. Where goals
      // come faster than attempts end, every one that fails may be overtaken.
      if (overtaken && this.#failures === 1) return;
      if (this.#errors.isNews(error)) {
        const next = overtaken ? 'a newer one is tried' : 'trying again';
        this.#log.error({ error }, `cannot apply the desired state; ${next}`);
      }
      if (overtaken) return;
      if (!this.#closed) this.#backoff.retry(() => void this.#attempts.run());
    }
  }
}
