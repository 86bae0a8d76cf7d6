// SPDX-License-Identifier: Apache-2.0

/**
 * Milliseconds within which a client comes back that lost its stream: CidPool pauses up to
 * 2 s between its attempts, and its channel up to 1.2 s, which can add up to twice the one
 * and once the other.
 */
export const RECONNECT_WITHIN = 5_000;

/** What is asked of an IssueStream here. */
export interface Acknowledging {
  /** The generation before which, as the client said, it holds no CID; 0: it said nothing. */
  readonly acknowledged: number;
  /** Whether it was given CIDs, or asked for some. */
  readonly used: boolean;
}

/**
 * Says whether CIDs of earlier generations can still leave a pool. A stream is not all there
 * is to a client: one that lost it, or whose sidecar started anew, goes on with the CIDs that
 * it has until it is back and hears of the switch. So for a while after either the answer is
 * no. A stream without a word, such as one that somebody opened by hand, counts no longer
 * than that: a pool that comes back says at once what it holds.
 */
export class Acknowledgements {
  readonly #now: () => number;
  readonly #open = new Map<Acknowledging, number>();
  /** By what they had acknowledged: when the last such stream was lost. */
  readonly #lost = new Map<number, number>();
  readonly #began: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#began = now();
  }

  opened(stream: Acknowledging): void {
    this.#open.set(stream, this.#now());
  }

  /** @param generation the present one: of those before, one is as bad as another */
  ended(stream: Acknowledging, generation: number): void {
    this.#open.delete(stream);
    this.#forget();
    this.#lost.set(stream.acknowledged >= generation ? generation : 0, this.#now());
  }

  /** Whether no pool gives CIDs of generations before this one. */
  complete(generation: number): boolean {
    this.#forget();
    if (this.#recent(this.#began)) return false;
    if ([...this.#lost.keys()].some((acknowledged) => acknowledged < generation)) return false;
    return [...this.#open].every(
      ([{ acknowledged, used }, openedAt]) =>
        acknowledged >= generation || (acknowledged === 0 && !used && !this.#recent(openedAt)),
    );
  }

  #forget(): void {
    for (const [acknowledged, at] of this.#lost) {
      if (!this.#recent(at)) this.#lost.delete(acknowledged);
    }
  }

  #recent(time: number): boolean {
    return this.#now() - time < RECONNECT_WITHIN;
  }
}
