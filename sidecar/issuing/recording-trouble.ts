// SPDX-License-Identifier: Apache-2.0
import { setImmediate } from 'node:timers/promises';
import { Backoff, type CidecarError } from '../../core/index.js';

/** Milliseconds until recording is tried again after it failed. */
const RETRY_MS = 1_000;

/** That nonces could not be recorded, until they can be again. */
export class RecordingTrouble {
  readonly #now: () => number;
  readonly #retry: () => void;
  readonly #backoff = new Backoff({ firstMs: RETRY_MS, longestMs: RETRY_MS });
  /** Called when the pause is over. */
  readonly #waiting = new Set<() => void>();
  #error: CidecarError | undefined;
  #retryAt = 0;
  #closed = false;

  /** @param retry called when it is time to try again */
  constructor(now: () => number, retry: () => void) {
    this.#now = now;
    this.#retry = retry;
  }

  /** Why the last attempt failed; undefined where it did not. */
  get error(): CidecarError | undefined {
    return this.#error;
  }

  /** Whether it is too early to try again. */
  get pauses(): boolean {
    return this.#now() < this.#retryAt;
  }

  /** Resolves when the next attempt begins. */
  async pause(): Promise<void> {
    // While an attempt is under way it needs turns of the event loop to end.
    if (!this.#backoff.scheduled) await setImmediate();
    else await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  began(error: CidecarError): void {
    this.#error = error;
    // Several spaces fail one after the other; none of them may put off the attempt of all.
    if (!this.pauses) this.#retryAt = this.#now() + RETRY_MS;
    if (this.#closed || this.#backoff.scheduled) return;
    // Clients whose pools are full of 0b111 CIDs ask for nothing, so no request would try again.
    this.#backoff.retry(() => {
      this.#letGo();
      this.#retry();
    });
  }

  /** Returns whether there was any. */
  ended(): boolean {
    const was = this.#error !== undefined;
    this.#error = undefined;
    this.#retryAt = 0;
    this.#backoff.reset();
    this.#letGo();
    return was;
  }

  close(): void {
    this.#closed = true;
    this.#backoff.cancel();
    this.#letGo();
  }

  #letGo(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
