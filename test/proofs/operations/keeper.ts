// SPDX-License-Identifier: Apache-2.0
import type { ProvingFleet } from '../proving-fleet.js';

/** Milliseconds between looks. */
const LOOK_EVERY = 500;
/** Milliseconds for which a sidecar may be dead: servers use CIDs of their stock for a minute. */
const DEAD_MS = 20_000;

/**
 * The service manager of the server hosts: it starts a sidecar that is dead before its server has
 * to make CIDs that nobody can route.
 */
export class Keeper {
  readonly #fleet: ProvingFleet;
  readonly #deadSince = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(fleet: ProvingFleet) {
    this.#fleet = fleet;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    for (const { name, isIn, sidecar } of this.#fleet.servers) {
      if (!isIn || sidecar.running) {
        this.#deadSince.delete(name);
        continue;
      }
      const since = this.#deadSince.get(name) ?? now;
      this.#deadSince.set(name, since);
      if (now - since >= DEAD_MS) sidecar.start();
    }
  }
}
