// SPDX-License-Identifier: Apache-2.0
import type { NonceSpace } from '../state/nonce-space.js';

/** Milliseconds over which consumption is measured. */
const WINDOW_MS = 600_000;
/** Milliseconds after the first look at a space that do not count: pools are filled then. */
const FILLING_MS = 60_000;

interface Sample {
  readonly at: number;
  /** Nonces that had been given out by then. */
  readonly taken: number;
}

/** How fast nonces are used, and how long they last at that rate. */
export class NonceConsumption {
  readonly #firstSeen = new WeakMap<NonceSpace, number>();
  readonly #samples = new WeakMap<NonceSpace, readonly Sample[]>();

  /** Takes a sample; to be called several times a window. `now` is in milliseconds. */
  sample(space: NonceSpace, now: number): void {
    const firstSeen = this.#firstSeen.get(space) ?? now;
    this.#firstSeen.set(space, firstSeen);
    if (now - firstSeen < FILLING_MS) return;
    const kept = (this.#samples.get(space) ?? []).filter(({ at }) => at >= now - WINDOW_MS);
    this.#samples.set(space, [...kept, { at: now, taken: space.taken }]);
  }

  /** Nonces a second, over ten minutes at most; undefined where there is no telling yet. */
  perSecond(space: NonceSpace): number | undefined {
    const [first, ...rest] = this.#samples.get(space) ?? [];
    const last = rest.at(-1);
    if (first === undefined || last === undefined) return undefined;
    return (1000 * (last.taken - first.taken)) / (last.at - first.at);
  }

  /** Whether `perSecond` goes by the whole window, so that a moment's haste says little. */
  isSettled(space: NonceSpace): boolean {
    const [first, ...rest] = this.#samples.get(space) ?? [];
    const last = rest.at(-1);
    return first !== undefined && last !== undefined && last.at - first.at >= 0.9 * WINDOW_MS;
  }

  /** Seconds until every nonce was used at the present rate; Infinity where none are used. */
  secondsLeft(space: NonceSpace): number {
    const perSecond = this.perSecond(space) ?? 0;
    return perSecond === 0 ? Number.POSITIVE_INFINITY : space.leftCount / perSecond;
  }
}
