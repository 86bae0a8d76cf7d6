// SPDX-License-Identifier: Apache-2.0

/**
 * Milliseconds within which a client that lost its stream comes back. Clients pause up to 0.5 s
 * between their attempts; those of the release before this one up to 2 s, and their channels up to
 * 1.2 s, and two pauses of the pool and one of the channel can follow each other.
 */
export const RECONNECT_WITHIN = 5_000;

/** What has to be known of a Session or an IssueStream. */
export interface Acknowledging {
  /**
   * The client said that it holds no CID of an earlier generation than this; 0: it said nothing.
   */
  readonly acknowledged: number;
  /** Whether the client asked for CIDs. */
  readonly used: boolean;
}

/**
 * Says whether CIDs of earlier generations can still leave the pool of a client. A client that
 * lost its stream, or whose sidecar was restarted, goes on using the CIDs that it holds until it
 * is connected again and hears of the switch. So after either event the answer is no for a
 * while. A stream on which the client says nothing (somebody may have opened it by hand) counts
 * for as long and no longer: a pool that is connected again says at once what it holds.
 */
export class Acknowledgements {
  readonly #now: () => number;
  readonly #open = new Map<Acknowledging, number>();
  /** When a stream was last lost, by what its client had acknowledged. */
  readonly #lost = new Map<number, number>();
  readonly #began: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#began = now();
  }

  opened(stream: Acknowledging): void {
    this.#open.set(stream, this.#now());
  }

  /**
   * @param generation the present one; which of the earlier ones was acknowledged is all the same
   */
  ended(stream: Acknowledging, generation: number): void {
    this.#open.delete(stream);
    this.#forget();
    this.#lost.set(stream.acknowledged >= generation ? generation : 0, this.#now());
  }

  /** Whether no pool gives CIDs of earlier generations than this one. */
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
