// SPDX-License-Identifier: Apache-2.0
import type { HeldCids } from '../../proto/gen/cidecar/v1/sidecar.js';

/** Milliseconds between two looks whether connections gave up CIDs of earlier generations. */
const LOOK_EVERY_MS = 1_000;

/** Connections by the oldest generation of the CIDs that their peers may still use. */
export type HeldGenerations = Iterable<readonly [generation: number, connections: number]>;

/**
 * Says to the sidecar how many connections hold CIDs of which generation, for as long as some hold
 * earlier ones than the present.
 */
export class HeldReport {
  readonly #held: () => HeldGenerations;
  readonly #say: (held: HeldCids) => void;
  #said = '';
  /** Milliseconds of the monotonic clock. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looks: NodeJS.Timeout | undefined;

  /** @param held asks the server; the answer is in the sidecar's numbers */
  constructor(held: () => HeldGenerations, say: (held: HeldCids) => void) {
    this.#held = held;
    this.#say = say;
  }

  /** @param generation the present one */
  now(generation: number): HeldCids {
    this.#lookedAt = performance.now();
    const byGeneration = new Map<number, number>();
    for (const [held, connections] of this.#held()) {
      byGeneration.set(held, (byGeneration.get(held) ?? 0) + connections);
    }
    const generations = [...byGeneration]
      .filter(([, connections]) => connections > 0)
      .map(([held, connections]) => ({ generation: held, connections }));
    this.#said = JSON.stringify(generations);
    this.stop();
    if (generations.some((each) => each.generation < generation)) {
      this.#looks = setTimeout(() => this.#look(generation), LOOK_EVERY_MS).unref();
    }
    return { generations };
  }

  /**
   * Says what changed: at once, or a second after the last look where that is not over. Many
   * connections can give up CIDs in one second, and each look counts all of them.
   *
   * @param generation the present one
   */
  soon(generation: number): void {
    const wait = this.#lookedAt + LOOK_EVERY_MS - performance.now();
    if (wait <= 0) this.#look(generation);
    else this.#looks ??= setTimeout(() => this.#look(generation), wait).unref();
  }

  stop(): void {
    clearTimeout(this.#looks);
    this.#looks = undefined;
  }

  #look(generation: number): void {
    const before = this.#said;
    const held = this.now(generation);
    if (this.#said !== before) this.#say(held);
  }
}
