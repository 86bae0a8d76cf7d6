// SPDX-License-Identifier: Apache-2.0
import { type EtcdClient, put, unchanged } from '../client/index.js';
import type { ClusterSecrets } from '../layout/cluster-secret.js';
import { eventPut, leaseForEvents } from '../layout/events.js';
import type { Keys } from '../layout/keys.js';
import { sealKey } from '../layout/seal.js';
import { transaction } from '../layout/transaction.js';
import { type ConfigValue, configValueText, sealedField } from '../layout/values/config.js';
import type { Keyring } from '../store/keyring.js';
import { assembled, readDesired } from '../store/read-once.js';

export interface ResealOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly keyring: Keyring;
  readonly secrets: ClusterSecrets;
  readonly by: string;
}

export interface Resealed {
  /** Keys of etcd whose sealed keys are now under the first secret. */
  readonly done: readonly string[];
  /** Those that somebody changed meanwhile; to be done by another run. */
  readonly changed: readonly string[];
  /** Configs whose keys were sealed by the first secret already. */
  readonly before: number;
}

/**
 * Seals under the first secret every key that is sealed under another one. Each config is a
 * transaction of its own, guarded by the value that was read; it may be run again at any time.
 *
 * @throws CidecarError KEY_SEALED where this host cannot open a key; nothing was changed then
 */
export async function reseal(options: ResealOptions): Promise<Resealed> {
  const { client, keys, keyring, secrets, by } = options;
  const snapshot = await readDesired(client, keys);
  const { pools } = assembled(snapshot.entries.values(), { keys, keyring });
  const stale: {
    readonly key: string;
    readonly modRevision: number;
    readonly value: ConfigValue;
  }[] = [];
  let before = 0;
  for (const { name: pool, configs } of pools) {
    for (const [config, value] of configs.values) {
      const key = keys.config(pool, config);
      const fields = Object.entries(value.sealed);
      if (fields.every(([, { secret }]) => secret === secrets[0].id)) {
        before += fields.length > 0 ? 1 : 0;
        continue;
      }
      const sealed = fields.map(([field, old]) => {
        const purpose = { pool, config, kind: sealedField(field) };
        return [field, sealKey(keyring.open(old, purpose), purpose, secrets)];
      });
      const modRevision = snapshot.entries.get(key)?.modRevision ?? 0;
      stale.push({ key, modRevision, value: { ...value, sealed: Object.fromEntries(sealed) } });
    }
  }
  const done: string[] = [];
  const changed: string[] = [];
  if (stale.length === 0) return { done, changed, before };
  const lease = await leaseForEvents(client);
  for (const { key, modRevision, value } of stale) {
    const what = `sealing of ${key}`;
    const event = { by, what: 'reseal', changes: [key], at: new Date().toISOString() };
    const text = configValueText(value);
    const success = [put(key, text), eventPut(keys, snapshot.revision, lease, event)];
    const parts = { when: [unchanged(key, modRevision)], success };
    // Done twice it is done once: the second finds that the key is not as it was read.
    const { held } = await client.kv.txn(transaction(keys, by, parts), { what, repeatable: true });
    const there = held ? undefined : await client.kv.get(key);
    if (held || there?.value.toString() === text) done.push(key);
    else changed.push(key);
  }
  return { done, changed, before };
}
