// SPDX-License-Identifier: Apache-2.0

/**
 * Keeps what clients do from filling the log: of each kind of line one passes within a while,
 * and the next one says how many did not. Kinds are few, and never made of what a client sent.
 */
export class LogLimiter {
  readonly #every: number;
  readonly #now: () => number;
  readonly #kinds = new Map<string, { last: number; suppressed: number }>();

  /** @param every milliseconds from one line of a kind to the next */
  constructor({
    every = 1_000,
    now = () => performance.now(),
  }: { every?: number; now?: () => number } = {}) {
    this.#every = every;
    this.#now = now;
  }

  /** Whether a line may be written, and how many of its kind were suppressed before it. */
  pass(kind: string): { readonly suppressed?: number } | undefined {
    const now = this.#now();
    const state = this.#kinds.get(kind);
    if (state !== undefined && now - state.last < this.#every) {
      state.suppressed += 1;
      return undefined;
    }
    this.#kinds.set(kind, { last: now, suppressed: 0 });
    return state === undefined || state.suppressed === 0 ? {} : { suppressed: state.suppressed };
  }

  /** Tells of the lines suppressed that no later one has told of; to be called now and then. */
  flush(tell: (kind: string, suppressed: number) => void): void {
    for (const [kind, state] of this.#kinds) {
      if (state.suppressed > 0) tell(kind, state.suppressed);
      state.suppressed = 0;
    }
  }
}
