// SPDX-License-Identifier: Apache-2.0

/** An index whose cooldown is running. */
export interface IndexInCooldown {
  readonly index: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** What assign.ts asks before it uses an index of a real again. */
export interface Cooldown {
  holds(index: number): boolean;
  /** 1..65535, different from that of the index's last use. */
  nextIncarnation(index: number): number;
  /** Of the last use of each index, as far as it is known. */
  incarnations(): ReadonlyMap<number, number>;
}

const INCARNATIONS = 65_535;

/**
 * Keeps the index of a real that was cleared from being used until no flow can remember it: a
 * flow that was placed for one server must not find the next one there. The incarnation guards
 * against that too, but it wraps; the cooldown is what makes a wrap harmless.
 */
export class IndexCooldown implements Cooldown {
  readonly #cooldownMs: number;
  readonly #now: () => number;
  readonly #until = new Map<number, number>();
  readonly #incarnations: Map<number, number>;

  /**
   * @param cooldownMs milliseconds for which an index is not used after its last use
   * @param now milliseconds since the epoch
   * @param incarnations of the last use of each index, as far as it is known
   */
  constructor(
    cooldownMs: number,
    now: () => number,
    running: readonly IndexInCooldown[] = [],
    incarnations: ReadonlyMap<number, number> = new Map(),
  ) {
    this.#cooldownMs = cooldownMs;
    this.#now = now;
    this.#incarnations = new Map(incarnations);
    for (const { index, until } of running) {
      // A clock that was set back must not keep an index in cooldown for ever.
      this.#until.set(index, Math.min(until, now() + cooldownMs));
    }
  }

  holds(index: number): boolean {
    const until = this.#until.get(index);
    if (until === undefined) return false;
    if (until > this.#now()) return true;
    this.#until.delete(index);
    return false;
  }

  nextIncarnation(index: number): number {
    return ((this.#incarnations.get(index) ?? 0) % INCARNATIONS) + 1;
  }

  /** An index is in use, with this incarnation. */
  used(index: number, incarnation: number): void {
    this.#incarnations.set(index, incarnation);
    this.#until.delete(index);
  }

  /** The cooldown of an index begins now. */
  start(index: number): void {
    this.#until.set(index, this.#now() + this.#cooldownMs);
  }

  /** An index that is not in use had this incarnation last. */
  vacated(index: number, incarnation: number): void {
    this.#incarnations.set(index, incarnation);
  }

  running(): IndexInCooldown[] {
    return [...this.#until]
      .filter(([index]) => this.holds(index))
      .map(([index, until]) => ({ index, until }));
  }

  incarnations(): ReadonlyMap<number, number> {
    return this.#incarnations;
  }
}
