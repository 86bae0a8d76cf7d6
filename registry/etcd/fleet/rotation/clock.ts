// SPDX-License-Identifier: Apache-2.0

/**
 * Seconds that have passed since this process saw a thing first, on its own clock, which only
 * goes forward. What controllers before it measured and saved is added.
 *
 * A clock belongs to one thing: the quarantine that began at one revision of the config's key
 * (QUARANTINE_SEEN). Of another one nothing has passed yet.
 */
export class PassedTime {
  readonly #now: () => number;
  #of: string | undefined;
  #begun = 0;
  #before = 0;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * @param of names the thing
   * @param saved seconds that others measured of this very thing
   */
  seconds(of: string, saved: number): number {
    if (this.#of !== of) {
      this.#of = of;
      this.#begun = this.#now();
      this.#before = saved;
    }
    return this.#before + (this.#now() - this.#begun) / 1000;
  }

  /** The thing is no more. */
  forget(): void {
    this.#of = undefined;
  }
}
