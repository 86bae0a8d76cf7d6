// SPDX-License-Identifier: Apache-2.0
import type { OwnKeys } from './own-registration.js';

const CHAIN_AFTER_MS = 1_500;

/** For how long the pool has had no controller: after a while a server helps itself. */
export class ControllerAbsence {
  readonly #longMs: number;
  #since: number | undefined;

  /** @param longMs milliseconds */
  constructor(longMs: number = CHAIN_AFTER_MS) {
    this.#longMs = longMs;
  }

  /** Whether it is long by now, by what was seen just now. */
  isLong({ hasController }: Pick<OwnKeys, 'hasController'>): boolean {
    if (hasController) {
      this.#since = undefined;
      return false;
    }
    this.#since ??= performance.now();
    return performance.now() - this.#since >= this.#longMs;
  }
}
