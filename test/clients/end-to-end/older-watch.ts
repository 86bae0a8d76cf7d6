// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sidecar } from '../../system/sidecar.js';
import { SidecarApi } from '../../system/sidecar-api.js';

const EVERY_MS = 50;

/** Looks how many connections with older CIDs the sidecars know of, for as long as it runs. */
export class OlderWatch {
  readonly #apis: readonly SidecarApi[];
  readonly #ended: Promise<void>;
  #most = 0;
  #stopped = false;

  constructor(sidecars: readonly Sidecar[]) {
    this.#apis = sidecars.map(({ socket }) => new SidecarApi(socket));
    this.#ended = this.#look();
  }

  /** Resolves with the most that were known of at one time. May be called again. */
  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#ended;
    for (const api of this.#apis) api.close();
    return this.#most;
  }

  async #look(): Promise<void> {
    while (!this.#stopped) {
      const all = await Promise.allSettled(this.#apis.map((api) => api.status()));
      const known = all.map((each) => {
        return each.status === 'fulfilled' ? (each.value.olderCids?.connections ?? 0) : 0;
      });
      this.#most = Math.max(
        this.#most,
        known.reduce((sum, count) => sum + count, 0),
      );
      await sleep(EVERY_MS);
    }
  }
}
