// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import {
  type EtcdClient,
  get,
  type KeyValue,
  type Operation,
} from '../../registry/etcd/client/index.js';
import type { SeenKey, Wanted } from '../../registry/etcd/fleet/index.js';
import {
  type IdValue,
  idAfter,
  idValue,
  type Keys,
  readValue,
} from '../../registry/etcd/layout/index.js';
import type { Mintable } from '../issuing/server-view.js';

export interface OwnKeysOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly pool: string;
  readonly server: string;
  /** The revision of the desired state in which these were seen. */
  readonly revision: number;
}

/** Operations of one transaction. */
const AT_ONCE = 100;

/**
 * The keys in etcd of a config and of the server's own IDs under it, as they are now. Undefined
 * where they are not what the desired state of `revision` has: a newer one is on its way.
 */
export async function ownKeys(
  { config: { id }, serverIds }: Mintable,
  options: OwnKeysOptions,
): Promise<Wanted | undefined> {
  const { client, keys, pool, revision } = options;
  const hexes = serverIds.map(toHex);
  const isSeen = (found: KeyValue | undefined): found is KeyValue =>
    found !== undefined && found.modRevision <= revision;
  const runs = new Map<string, SeenKey>();
  let config: KeyValue | undefined;
  for (let begin = 0; begin < hexes.length; begin += AT_ONCE) {
    const part = hexes.slice(begin, begin + AT_ONCE);
    const success = [get(keys.config(pool, id)), ...part.map((hex) => runOf(keys, pool, id, hex))];
    const what = 'read of its own IDs';
    const { results } = await client.kv.txn({ when: [], success }, { what, repeatable: true });
    const [first, ...found] = results.map((each) =>
      each.kind === 'get' ? each.entries[0] : undefined,
    );
    if (!isSeen(first)) return undefined;
    config = first;
    for (const [index, entry] of found.entries()) {
      const hex = part[index] ?? '';
      if (!isSeen(entry) || !isOwn(entry, hex, options)) return undefined;
      runs.set(entry.key, { key: entry.key, modRevision: entry.modRevision });
    }
  }
  return config && { config, ids: [...runs.values()] };
}

/** The last run that does not begin after an ID: the only one that can hold it. */
function runOf(keys: Keys, pool: string, config: number, hex: string): Operation {
  const key = `${keys.ids(pool, config)}${'0'.repeat(hex.length)}`;
  const end = Buffer.from(`${keys.id(pool, config, hex)}\0`);
  return get({ key, end }, { limit: 1, backwards: true });
}

function isOwn(entry: KeyValue, hex: string, { server }: OwnKeysOptions): boolean {
  const first = entry.key.slice(entry.key.lastIndexOf('/') + 1);
  let value: IdValue;
  try {
    value = readValue(idValue, entry.key, entry.value);
  } catch {
    return false;
  }
  if (value.server !== server || first.length !== hex.length) return false;
  const after = idAfter(first, value.count);
  return hex >= first && (after === undefined || hex < after);
}
