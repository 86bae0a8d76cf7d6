// SPDX-License-Identifier: Apache-2.0

export interface BackoffOptions {
  /** Milliseconds before the first new attempt. Each further pause is twice the one before. */
  readonly firstMs: number;
  /** Milliseconds of the longest pause. */
  readonly longestMs: number;
  /**
   * Makes each pause half to all of what it would be, at random, so that many who failed at
   * one moment do not come back at one moment.
   */
  readonly jitter?: boolean;
  /** 0 up to 1; for tests. */
  readonly random?: () => number;
}

/** Tries again after pauses that grow; at most one new attempt is scheduled at a time. */
export class Backoff {
  readonly #options: BackoffOptions;
  #pauseMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#pauseMs = options.firstMs;
  }

  /** Calls `attempt` after the pause, in place of the attempt that was scheduled before. */
  retry(attempt: () => void): void {
    const { longestMs, jitter = false, random = Math.random } = this.#options;
    const pauseMs = jitter ? this.#pauseMs * (0.5 + random() / 2) : this.#pauseMs;
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestMs);
    this.cancel();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      attempt();
    }, pauseMs);
  }

  /** Whether a new attempt is scheduled. */
  get scheduled(): boolean {
    return this.#timer !== undefined;
  }

  /** Calls off the attempt that is scheduled; the pauses go on growing from where they are. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Success: the next pause is the first one again, and no attempt is scheduled. */
  reset(): void {
    this.cancel();
    this.#pauseMs = this.#options.firstMs;
  }

  /** For what will not pass soon: the next pause is the longest one. */
  useLongest(): void {
    this.#pauseMs = this.#options.longestMs;
  }
}
