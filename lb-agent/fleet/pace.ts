// SPDX-License-Identifier: Apache-2.0

/** Lets things through that are apart, each by its name. */
export class Pace {
  readonly #apartMs: number;
  readonly #again: () => void;
  readonly #lastAt = new Map<string, number>();

  /** @param again called when something that was not let through may be asked for again */
  constructor(apartMs: number, again: () => void) {
    this.#apartMs = apartMs;
    this.#again = again;
  }

  /** Whether the thing may be done now. */
  allows(what: string): boolean {
    const last = this.#lastAt.get(what);
    const left = last === undefined ? 0 : last + this.#apartMs - performance.now();
    if (left > 0) setTimeout(this.#again, left).unref();
    return left <= 0;
  }

  /** It was done now. */
  note(what: string): void {
    this.#lastAt.set(what, performance.now());
  }
}
