// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import { get, type KeyValue } from '../../registry/etcd/client/index.js';
import {
  type Entry,
  issuedConfigs,
  type Registrant,
  type SeenRegistration,
  wantedIds,
} from '../../registry/etcd/fleet/index.js';
import { liveServerValue, readValue, requestValue } from '../../registry/etcd/layout/index.js';
import type { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import type { DesiredState } from '../../registry/index.js';

/** What stands in etcd of a server that registers itself. */
export interface OwnKeys extends SeenRegistration {
  /** Whether the pool has a controller. */
  readonly hasController: boolean;
}

export async function readOwnKeys({
  registry,
  pool,
  server,
}: Pick<Registrant, 'pool' | 'server'> & { readonly registry: EtcdRegistry }): Promise<OwnKeys> {
  const { client, keys } = registry;
  const own = [keys.request(pool, server), keys.liveServer(pool, server), keys.controller(pool)];
  const success = own.map((key) => get(key));
  const what = 'look at its own keys';
  const { results } = await client.kv.txn({ when: [], success }, { what, repeatable: true });
  const [request, live, controller] = results.map((each) =>
    each.kind === 'get' ? each.entries[0] : undefined,
  );
  return {
    request: request && entryOf(request, (e) => readValue(requestValue, e.key, e.value)),
    live: live && entryOf(live, (e) => readValue(liveServerValue, e.key, e.value)),
    hasController: controller !== undefined,
  };
}

/**
 * How many IDs the server does not have yet under the configs that are issued now or next;
 * 'no server' where it is none of the pool yet.
 */
export function missingIds(
  { pools }: DesiredState,
  {
    pool: name,
    server,
    ids,
  }: Pick<Registrant, 'pool' | 'server'> & { readonly ids: number | undefined },
): number | 'no server' | 'no pool' {
  const pool = pools.find((each) => each.name === name);
  const present = pool?.servers.find((each) => each.name === server);
  const { allocation } = pool ?? {};
  if (pool === undefined || allocation === undefined) return present === undefined ? 'no pool' : 0;
  if (present === undefined) return 'no server';
  const wanted = wantedIds({ ids }, allocation);
  return issuedConfigs(pool).reduce((sum, { id }) => {
    return sum + Math.max(0, wanted - (present.serverIds.get(id)?.length ?? 0));
  }, 0);
}

/**
 * Why nothing is handed out to a server that registers with this address; undefined where that is
 * not so. Controllers refuse the same, and say so in their logs alone.
 *
 * @param address canonical text
 */
export function refusalOf(
  { pools }: DesiredState,
  { pool, server, address }: Pick<Registrant, 'pool' | 'server'> & { readonly address: string },
): string | undefined {
  const elsewhere = pools.find(
    ({ name, servers }) => name !== pool && servers.some((each) => each.name === server),
  );
  if (elsewhere !== undefined) return `pool ${elsewhere.name} has a server of this name`;
  if (pools.some(({ vips }) => vips.some((vip) => vip.address === address))) {
    return `its address ${address} is a VIP`;
  }
  const own = pools.find(({ name }) => name === pool);
  const present = own?.servers.find(({ name }) => name === server);
  if (present === undefined || present.address === address) return undefined;
  return `it registers with ${address}, and is ${present.address} in the registry`;
}

export function unregistrable(pool: string): CidecarError {
  const message = `pool ${pool} takes no registrations: the registry has no such pool, or it has no allocation, and its document does not name this server`;
  return new CidecarError('SERVER_UNKNOWN', message);
}

function entryOf<Value>(found: KeyValue, read: (found: KeyValue) => Value): Entry<Value> {
  const { key, createRevision, modRevision, lease } = found;
  return { key, value: read(found), createRevision, modRevision, lease };
}
