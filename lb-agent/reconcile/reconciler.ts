// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { CidecarError } from '../../core/index.js';
import type { DesiredState } from '../../registry/index.js';

interface Reconciles {
  reconcile(desired: DesiredState): Promise<void>;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;

/** Works towards the desired state that was wanted last, one at a time, until it is reached. */
export class Reconciler {
  readonly #agent: Reconciles;
  readonly #log: Logger;
  readonly #check: (desired: DesiredState) => void;
  #wanted: DesiredState | undefined;
  #working: Promise<void> = Promise.resolve();
  #busy = false;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #lastError = '';
  #closed = false;

  /** @param check throws where this host cannot do what is wanted, before anything changes */
  constructor(agent: Reconciles, log: Logger, check: (desired: DesiredState) => void) {
    this.#agent = agent;
    this.#log = log;
    this.#check = check;
  }

  want(desired: DesiredState): void {
    this.#wanted = desired;
    this.#retryMs = FIRST_RETRY_MS;
    if (!this.#busy && !this.#closed) this.#working = this.#work();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await this.#working;
  }

  async #work(): Promise<void> {
    clearTimeout(this.#retry);
    this.#busy = true;
    while (this.#wanted !== undefined && !this.#closed) {
      const desired = this.#wanted;
      try {
        this.#check(desired);
        await this.#agent.reconcile(desired);
        if (this.#wanted === desired) this.#wanted = undefined;
        this.#retryMs = FIRST_RETRY_MS;
        this.#lastError = '';
        this.#log.info({ revision: desired.revision }, 'desired state applied');
      } catch (error) {
        // A newer state may well be the correction, so it is tried before the retry.
        if (this.#wanted !== desired) continue;
        this.#report(error);
        this.#retry = setTimeout(() => {
          if (!this.#busy && !this.#closed) this.#working = this.#work();
        }, this.#retryMs);
        this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
        break;
      }
    }
    this.#busy = false;
  }

  /** Once for each error, not once for each attempt. */
  #report(error: unknown): void {
    const message = error instanceof CidecarError ? error.describe() : String(error);
    if (message === this.#lastError) return;
    this.#lastError = message;
    this.#log.error({ message }, 'cannot apply the desired state; trying again');
  }
}
