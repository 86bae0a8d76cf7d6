// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../cid/index.js';
import { CidecarError, toHex } from '../../core/index.js';
import { type Operation, put, remove, unchanged } from '../../registry/etcd/client/index.js';
import { type FoundServer, leavePool, restOperations } from '../../registry/etcd/fleet/index.js';
import {
  assembled,
  eventPut,
  idValue,
  leaseForEvents,
  readDesired,
  readValue,
  requestValue,
  stateOf,
  transaction,
  valueText,
} from '../../registry/etcd/index.js';
import type { SharedRegistry } from '../shared-registry.js';
import { configsOf, idIn, poolNamed } from './ids-keep.js';

export interface Releasing {
  readonly pool: string;
  readonly server?: string;
  readonly id?: string;
  readonly config?: string;
  readonly gone?: true;
}

export interface Released {
  /** `<config>/<ID>`, at rest from now on. */
  readonly atRest: readonly string[];
  /** Pins and reservations that are gone. */
  readonly unpinned: readonly string[];
  /** For people. */
  readonly lines: readonly string[];
}

/** @throws CidecarError ARGUMENT_INVALID; REGISTRY_CHANGED where something changed meanwhile */
export async function releaseIds(
  registry: SharedRegistry,
  releasing: Releasing,
  schemes: Schemes,
): Promise<Released> {
  const { server, id } = releasing;
  if (server !== undefined && id === undefined)
    return releaseServer(registry, releasing, server, schemes);
  if (id !== undefined && server === undefined) return releaseId(registry, releasing, id, schemes);
  throw new CidecarError('ARGUMENT_INVALID', 'name what to release: --server or --id');
}

async function releaseServer(
  { client, keys, keyring, by }: SharedRegistry,
  { pool, gone: isGone, config }: Releasing,
  server: string,
  schemes: Schemes,
): Promise<Released> {
  const gone = isGone === true;
  if (config !== undefined) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      '--config goes with --id: a server leaves as a whole',
    );
  }
  const read = async () => {
    const { entries } = await readDesired(client, keys);
    const state = stateOf(assembled(entries.values(), { keys, keyring, schemes }));
    if (state instanceof CidecarError) throw state;
    poolNamed(state.pools, pool);
    return state;
  };
  const refuse = ({ live, marks }: FoundServer) => {
    if (live !== undefined) {
      throw new CidecarError(
        'ARGUMENT_INVALID',
        `server ${server} is alive, and would register again: stop its sidecar first (--deregister-on-stop leaves the pool by itself)`,
      );
    }
    if (marks.length === 0 || gone) return;
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `the sidecar of server ${server} gives no sign of life, and may still issue under config ${marks.join(' and ')}: say --gone if it runs no more, for good`,
    );
  };
  const ids = await leavePool({ client, keys, pool, server, by, read, takeMarks: gone, refuse });
  if (ids === undefined) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `server ${server} did not register itself in pool ${pool}: a document names its IDs`,
    );
  }
  const atRest = ids.map(({ config: under, hex }) => `${under}/${hex}`);
  const words = `server ${server} of pool ${pool}${gone ? ', gone for good,' : ''} left; at rest: ${atRest.join(', ') || 'no ID'}`;
  const event = { by, what: 'release', changes: [words], pool, at: new Date().toISOString() };
  const forced = gone ? ['gone'] : [];
  const { revision } = await client.kv.count(keys.request(pool, server));
  const recorded = eventPut(keys, revision, await leaseForEvents(client), { ...event, forced });
  await client.kv.txn({ when: [], success: [recorded] }, { what: 'event' });
  return { atRest, unpinned: [], lines: [words] };
}

/** One ID: what is pinned or reserved is so no more, and what has an owner goes to rest. */
async function releaseId(
  { client, keys, keyring, by }: SharedRegistry,
  releasing: Releasing,
  id: string,
  schemes: Schemes,
): Promise<Released> {
  const { entries, revision } = await readDesired(client, keys);
  const state = stateOf(assembled(entries.values(), { keys, keyring, schemes }));
  if (state instanceof CidecarError) throw state;
  const pool = poolNamed(state.pools, releasing.pool);
  const operations: Operation[] = [];
  const conditions = [unchanged(keys.revision, entries.get(keys.revision)?.modRevision ?? 0)];
  const atRest: string[] = [];
  const unpinned: string[] = [];
  const losses = new Map<string, { config: number; hex: string }[]>();
  for (const config of configsOf(pool, releasing.config)) {
    const hex = idIn(id, config, releasing.config !== undefined);
    if (hex === undefined) continue;
    const pin = await client.kv.get(keys.pinnedId(pool.name, config.id, hex));
    if (pin !== undefined) {
      conditions.push(unchanged(pin.key, pin.modRevision));
      operations.push(remove(pin.key));
      unpinned.push(`${config.id}/${hex}`);
    }
    const owner = pool.servers.find(({ serverIds }) =>
      serverIds.get(config.id)?.some((each) => toHex(each) === hex),
    );
    if (owner === undefined) continue;
    const entry = entries.get(keys.id(pool.name, config.id, hex));
    const value = entry && readValue(idValue, entry.key, entry.value);
    if (value?.allocated !== true) {
      throw new CidecarError(
        'ARGUMENT_INVALID',
        `${hex} of server ${owner.name} is named by the document: take it out there`,
      );
    }
    losses.set(owner.name, [...(losses.get(owner.name) ?? []), { config: config.id, hex }]);
    atRest.push(`${config.id}/${hex}`);
  }
  for (const [server, lost] of losses) {
    const ids = lost.map((each) => ({ ...each, count: 1 }));
    operations.push(...restOperations(keys, { pool: pool.name, server }, ids));
    // GRANT: who hands out IDs goes by the request.
    const request = await client.kv.get(keys.request(pool.name, server));
    if (request === undefined) continue;
    const value = readValue(requestValue, request.key, request.value);
    const granted = Object.fromEntries(
      Object.entries(value.granted).map(([config, hexes]) => [
        config,
        hexes.filter(
          (hex) => !lost.some((each) => String(each.config) === config && each.hex === hex),
        ),
      ]),
    );
    conditions.push(unchanged(request.key, request.modRevision));
    operations.push(put(request.key, valueText({ ...value, granted })));
  }
  if (operations.length === 0) {
    throw new CidecarError('ARGUMENT_INVALID', `${id} has no owner, and is not kept for anybody`);
  }
  const lines = [
    ...(unpinned.length > 0 ? [`no longer kept: ${unpinned.join(', ')}`] : []),
    ...[...losses].map(([server, lost]) => {
      const which = lost.map(({ config, hex }) => `${config}/${hex}`).join(', ');
      return `at rest: ${which} of server ${server}`;
    }),
  ];
  const event = {
    by,
    what: 'release',
    changes: lines,
    pool: pool.name,
    at: new Date().toISOString(),
  };
  operations.push(eventPut(keys, revision, await leaseForEvents(client), event));
  const released = transaction(keys, by, { when: conditions, success: operations });
  const { held } = await client.kv.txn(released, { what: 'release', giveUpMs: 10_000 });
  if (held) return { atRest, unpinned, lines };
  throw new CidecarError('REGISTRY_CHANGED', 'IDs of the pool changed meanwhile');
}
