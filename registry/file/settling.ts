// SPDX-License-Identifier: Apache-2.0

/**
 * Acts when it has been quiet for a while after a touch, so that one change which shows as many
 * events is one; and after a longest time in any case, so that there need never be quiet.
 */
export class Settling {
  readonly #quiet: number;
  readonly #longest: number;
  readonly #act: () => void;
  /** When the first touch came that has not been acted on. */
  #first: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param quiet milliseconds
   * @param longest milliseconds after the first touch
   */
  constructor(quiet: number, longest: number, act: () => void) {
    this.#quiet = quiet;
    this.#longest = longest;
    this.#act = act;
  }

  touch(): void {
    const now = performance.now();
    this.#first ??= now;
    clearTimeout(this.#timer);
    const wait = Math.min(this.#quiet, this.#first + this.#longest - now);
    this.#timer = setTimeout(
      () => {
        this.#first = undefined;
        this.#act();
      },
      Math.max(0, wait),
    );
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#first = undefined;
  }
}
