// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';

/** Those who wait for the first CIDs of a pool. */
export class FirstCids {
  readonly #waiting = new Set<(error?: CidecarError) => void>();

  /**
   * Rejects with SIDECAR_UNAVAILABLE at `close()`, or after `timeout` milliseconds, if given.
   *
   * @param why what keeps CIDs from coming, as far as that is known
   */
  wait(timeout: number | undefined, why: () => CidecarError | undefined): Promise<void> {
    return new Promise((done, reject) => {
      const settle = (error?: CidecarError) => {
        clearTimeout(timer);
        this.#waiting.delete(settle);
        if (error === undefined) done();
        else reject(error);
      };
      const late = () => settle(unavailable(`no CIDs came within ${timeout} ms`, why()));
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

/**
 * SIDECAR_UNAVAILABLE with what lies behind it, and with its errno and path.
 */
export function unavailable(message: string, cause: CidecarError | undefined): CidecarError {
  if (cause === undefined) return new CidecarError('SIDECAR_UNAVAILABLE', message);
  const { errno, place } = cause;
  return new CidecarError('SIDECAR_UNAVAILABLE', `${message}: ${cause.message}`, {
    cause,
    ...place,
    ...(errno === undefined ? {} : { errno }),
  });
}
