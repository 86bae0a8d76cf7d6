// SPDX-License-Identifier: Apache-2.0

interface Running {
  /** What the clock was started for: another revision is another thing. */
  readonly revision: number;
  readonly since: number;
}

/**
 * Clocks of one host, each for one thing in the registry as it was at one revision. Nobody compares
 * the clocks of two hosts: who takes over begins anew, later and never earlier.
 */
export class Clocks {
  readonly #now: () => number;
  #running = new Map<string, Running>();

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Milliseconds on the clock of a thing. It begins with this call where there is none, or anew
   * where the thing is another one by now.
   *
   * @param from milliseconds that it begins with: what an earlier controller measured
   */
  elapsed(what: string, revision: number, from = 0): number {
    const running = this.#running.get(what);
    if (running?.revision === revision) return this.#now() - running.since;
    this.#running.set(what, { revision, since: this.#now() - from });
    return from;
  }

  /** Ends all clocks but those of things for which this holds. */
  retain(keeps: (what: string) => boolean): void {
    for (const what of this.#running.keys()) if (!keeps(what)) this.#running.delete(what);
  }

  clear(): void {
    this.#running.clear();
  }
}
