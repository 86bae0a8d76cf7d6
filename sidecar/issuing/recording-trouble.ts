// SPDX-License-Identifier: Apache-2.0
import { Backoff, type CidecarError } from '../../core/index.js';

/** Milliseconds for which issuing goes without nonces after they could not be recorded. */
const RETRY_MS = 1_000;

/** That nonces could not be recorded, until they can be again. */
export class RecordingTrouble {
  readonly #now: () => number;
  readonly #retry: () => void;
  readonly #backoff = new Backoff({ firstMs: RETRY_MS, longestMs: RETRY_MS });
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

  began(error: CidecarError): void {
    this.#error = error;
    this.#retryAt = this.#now() + RETRY_MS;
    // Clients whose pools are full of 0b111 CIDs ask for nothing, so no request would try again.
    if (!this.#closed) this.#backoff.retry(this.#retry);
  }

  ended(): void {
    this.#error = undefined;
    this.#retryAt = 0;
    this.#backoff.reset();
  }

  close(): void {
    this.#closed = true;
    this.#backoff.cancel();
  }
}
