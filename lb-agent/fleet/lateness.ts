// SPDX-License-Identifier: Apache-2.0
import type { ControllerOptions } from './controller-options.js';

const BEHIND_MS = 30_000;
/** Milliseconds between looks at whether the desired state that it goes by is the newest. */
const CHECK_EVERY = 5_000;

/**
 * Whether a controller goes by an old desired state, because the newest is not valid here: it
 * lacks a cluster secret, for example. Then nothing that it decides holds, and another agent may
 * do better.
 */
export class Lateness {
  readonly #options: Pick<ControllerOptions, 'client' | 'keys' | 'behindMs'>;
  readonly #now: () => number;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #since: number | undefined;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(options: Pick<ControllerOptions, 'client' | 'keys' | 'behindMs'>, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  /** @param desired revision of the desired state that it goes by */
  async isLong(desired: number): Promise<boolean> {
    const { client, keys, behindMs = BEHIND_MS } = this.#options;
    const now = this.#now();
    if (now - this.#checkedAt >= Math.min(CHECK_EVERY, behindMs / 2)) {
      this.#checkedAt = now;
      const newest = await client.kv.get(keys.revision);
      if ((newest?.modRevision ?? 0) <= desired) this.#since = undefined;
      else this.#since ??= now;
    }
    return this.#since !== undefined && now - this.#since >= behindMs;
  }

  forget(): void {
    this.#since = undefined;
  }
}
