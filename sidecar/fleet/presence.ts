// SPDX-License-Identifier: Apache-2.0
import { SayOnce, SerialWork } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import type { EtcdClient, Lease } from '../../registry/etcd/client/index.js';
import { type Keys, type LiveServerValue, valueText } from '../../registry/etcd/layout/index.js';

export interface PresenceOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly pool: string;
  readonly server: string;
  /** Seconds for which others believe that it is awake after its last word. */
  readonly ttl: number;
  readonly log: Log;
  /** What to say of this sidecar now. */
  readonly value: () => LiveServerValue;
}

/** The sign of life of this sidecar, `live/servers/<pool>/<server>`. No right hangs on it. */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #saying = new SerialWork(() => this.#say());
  readonly #said = new SayOnce();
  readonly #lease: Lease;
  /** What stands in etcd, as far as is known. */
  #present: { readonly lease: string; readonly text: string } | undefined;
  #keptAt: number | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
    const { client, ttl } = options;
    this.#lease = client.lease(
      { ttl },
      {
        onGranted: () => this.say(),
        onKept: () => {
          this.#keptAt = performance.now();
        },
        onLost: () => {
          this.#present = undefined;
          this.#keptAt = undefined;
        },
        onTrouble: (error) => this.#trouble(error),
      },
    );
  }

  /** Whether others see it, as far as is known. */
  get alive(): boolean {
    return this.#present !== undefined && this.#present.lease === this.#lease.id;
  }

  /** Milliseconds since etcd confirmed the lease last; undefined where there is none. */
  get leaseAgeMs(): number | undefined {
    return this.#keptAt === undefined ? undefined : performance.now() - this.#keptAt;
  }

  /** Says what is not said yet. */
  say(): void {
    void this.#saying.run();
  }

  /** Ends the sign of life. */
  async close(): Promise<void> {
    await this.#saying.idle();
    await this.#lease.revoke();
  }

  async #say(): Promise<void> {
    const { client, keys, pool, server, value } = this.#options;
    const lease = this.#lease.id;
    if (lease === undefined) return;
    const text = valueText(value());
    if (this.#present?.lease === lease && this.#present.text === text) return;
    try {
      await client.kv.put(keys.liveServer(pool, server), text, lease);
      this.#present = { lease, text };
      this.#said.over();
    } catch (error) {
      // The next look says it again.
      this.#present = undefined;
      this.#trouble(error);
    }
  }

  #trouble(error: unknown): void {
    if (!this.#said.isNews(error)) return;
    this.#options.log.warn({ error }, 'etcd does not take the sign of life; trying again');
  }
}
