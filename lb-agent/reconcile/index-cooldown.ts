// SPDX-License-Identifier: Apache-2.0

/** One index at rest. */
export interface Resting {
  readonly index: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** What assign.ts asks before it uses an index of a real again. */
export interface IndexQuarantine {
  holds(index: number): boolean;
  /** 1..65535, different from that of the index's last use. */
  nextGeneration(index: number): number;
}

const GENERATIONS = 65_535;

/**
 * Indices of reals that were cleared rest until no flow can remember them: a flow that was
 * placed for the server of before must not find the next one. The generation guards the
 * same way, but wraps; the rest is what makes a wrap harmless.
 */
export class Quarantine implements IndexQuarantine {
  readonly #restMs: number;
  readonly #now: () => number;
  readonly #until = new Map<number, number>();
  readonly #generations: Map<number, number>;

  /** @param generations of the last use of each index, as far as it is known */
  constructor(
    restMs: number,
    now: () => number,
    resting: readonly Resting[] = [],
    generations: ReadonlyMap<number, number> = new Map(),
  ) {
    this.#restMs = restMs;
    this.#now = now;
    this.#generations = new Map(generations);
    for (const { index, until } of resting) {
      // A clock that was set back must not make an index rest for ever.
      this.#until.set(index, Math.min(until, now() + restMs));
    }
  }

  holds(index: number): boolean {
    const until = this.#until.get(index);
    if (until === undefined) return false;
    if (until > this.#now()) return true;
    this.#until.delete(index);
    return false;
  }

  nextGeneration(index: number): number {
    return ((this.#generations.get(index) ?? 0) % GENERATIONS) + 1;
  }

  /** Notes that an index is used, with this generation. */
  used(index: number, generation: number): void {
    this.#generations.set(index, generation);
    this.#until.delete(index);
  }

  /** Puts an index to rest. */
  rest(index: number): void {
    this.#until.set(index, this.#now() + this.#restMs);
  }

  resting(): Resting[] {
    return [...this.#until]
      .filter(([index]) => this.holds(index))
      .map(([index, until]) => ({ index, until }));
  }

  generations(): ReadonlyMap<number, number> {
    return this.#generations;
  }
}
