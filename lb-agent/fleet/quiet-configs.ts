// SPDX-License-Identifier: Apache-2.0

/**
 * Packets since the tables began: by CIDs of a config, by `<pool>/<config>`; or to a server, by
 * the names of `quietServer`.
 */
export type ConfigPackets = ReadonlyMap<string, number>;

interface Seen {
  readonly packets: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly since: number;
}

/**
 * For how long no packet came under configs, or to servers, that are to go. It is known from the moment that the
 * first count was taken, so it is never more than what is true.
 */
export class QuietConfigs {
  readonly #now: () => number;
  readonly #seen = new Map<string, Seen>();

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @param of what is watched; what is known of others is forgotten */
  count(packets: ConfigPackets, of: readonly string[]): void {
    const watched = new Set(of);
    for (const key of this.#seen.keys()) if (!watched.has(key)) this.#seen.delete(key);
    for (const key of watched) {
      const now = packets.get(key) ?? 0;
      // Also where it is less: tables began anew, and what came meanwhile is not known.
      if (this.#seen.get(key)?.packets !== now) {
        this.#seen.set(key, { packets: now, since: this.#now() });
      }
    }
  }

  /** Whole seconds, by `<pool>/<config>`. */
  get seconds(): Record<string, number> {
    const now = this.#now();
    return Object.fromEntries(
      [...this.#seen].map(([key, { since }]) => [key, Math.floor((now - since) / 1000)]),
    );
  }
}
