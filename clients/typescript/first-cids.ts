// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';

/** Those who wait for the first CIDs of a pool. */
export class FirstCids {
  readonly #waiting = new Set<(error?: CidecarError) => void>();

  /** Rejects with SIDECAR_UNAVAILABLE at `close()`, or after `timeout` milliseconds, if given. */
  wait(timeout: number | undefined): Promise<void> {
    return new Promise((done, reject) => {
      const settle = (error?: CidecarError) => {
        clearTimeout(timer);
        this.#waiting.delete(settle);
        if (error === undefined) done();
        else reject(error);
      };
      const late = () =>
        settle(new CidecarError('SIDECAR_UNAVAILABLE', `no CIDs came within ${timeout} ms`));
      const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
      this.#waiting.add(settle);
    });
  }

  /** There are CIDs now. */
  came(): void {
    for (const settle of this.#waiting) settle();
  }

  close(): void {
    for (const settle of this.#waiting) settle(closedError());
  }
}

export function closedError(): CidecarError {
  return new CidecarError('SIDECAR_UNAVAILABLE', 'the pool was closed before CIDs came');
}
