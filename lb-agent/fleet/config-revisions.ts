// SPDX-License-Identifier: Apache-2.0
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import type { Keys } from '../../registry/etcd/layout/index.js';
import type { PoolConfig } from '../../registry/index.js';

/** When configs were written last. One that was not written since is the same object. */
export class ConfigRevisions {
  readonly #client: EtcdClient;
  readonly #keys: Keys;
  readonly #known = new WeakMap<PoolConfig, number>();

  constructor(client: EtcdClient, keys: Keys) {
    this.#client = client;
    this.#keys = keys;
  }

  /** The mod_revision of its key; undefined where that is gone. */
  async of(pool: string, config: PoolConfig): Promise<number | undefined> {
    const known = this.#known.get(config);
    if (known !== undefined) return known;
    const found = await this.#client.kv.get(this.#keys.config(pool, config.id));
    if (found !== undefined) this.#known.set(config, found.modRevision);
    return found?.modRevision;
  }
}
