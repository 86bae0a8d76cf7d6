// SPDX-License-Identifier: Apache-2.0
import type { DesiredState } from '../../types.js';
import { type EtcdClient, get, type KeyValue, unchanged } from '../client/index.js';
import { type Keys, readValue, requestValue, serverValue, transaction } from '../layout/index.js';
import type { Entry } from './fleet-table.js';
import { allocatedIds } from './hold.js';
import { leaveOperations, type ReleasedId } from './registration.js';

/** IDs of one transaction: two operations each. */
const IDS_AT_ONCE = 50;
/** Config IDs that there can be. */
const CONFIGS = [0, 1, 2, 3, 4, 5, 6] as const;

export interface Leaver {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly pool: string;
  readonly server: string;
  /** Who does it, for people. */
  readonly by: string;
  /** The desired state as it is now. */
  readonly read: () => Promise<DesiredState>;
  /** Whether its marks go too: nothing issues under them any more. */
  readonly takeMarks: boolean;
  /** Undefined where the request may go; else why not. */
  readonly refuse?: (found: FoundServer) => void;
}

/** What is in the registry of a server that is to leave. */
export interface FoundServer {
  readonly request: Entry<ReturnType<typeof requestValue.parse>>;
  readonly live: KeyValue | undefined;
  /** Config IDs under which it has marks. */
  readonly marks: readonly number[];
}

/**
 * Takes a server that registered itself out of its pool and puts its IDs to rest, in as many
 * transactions as that needs. Returns the IDs; none where it had registered nothing.
 */
export async function leavePool(leaver: Leaver): Promise<ReleasedId[] | undefined> {
  const { client, keys, pool, server, by, read, takeMarks, refuse } = leaver;
  const released: ReleasedId[] = [];
  for (let first = true; ; first = false) {
    const state = await read();
    const present = state.pools
      .find(({ name }) => name === pool)
      ?.servers.find(({ name }) => name === server);
    const request = await client.kv.get(keys.request(pool, server));
    if (request === undefined) return first ? undefined : released;
    const value = readValue(requestValue, request.key, request.value);
    const all = allocatedIds(value, present);
    const ids = all.slice(0, IDS_AT_ONCE);
    const keysOfIds = ids.map(({ config, hex }) => keys.id(pool, config, hex));
    const serverKey = keys.server(pool, server);
    const liveKey = keys.liveServer(pool, server);
    const others = [serverKey, liveKey, ...CONFIGS.map((id) => keys.use(pool, id, server))];
    const success = [...keysOfIds, ...others].map((key) => get(key));
    const what = `read of server ${server}`;
    const found = await client.kv.txn({ when: [], success }, { what, repeatable: true });
    const entries = found.results.map((each) =>
      each.kind === 'get' ? each.entries[0] : undefined,
    );
    const [entry, live, ...uses] = entries.slice(ids.length);
    const marks = CONFIGS.filter((id) => uses[id] !== undefined);
    const registered =
      entry !== undefined && readValue(serverValue, entry.key, entry.value).registered === true;
    const { key, createRevision, modRevision, lease } = request;
    const seen = { key, createRevision, modRevision, lease, value };
    refuse?.({ request: seen, live, marks });
    const last = ids.length === all.length;
    const { held } = await client.kv.txn(
      transaction(keys, by, {
        when: [
          unchanged(request.key, request.modRevision),
          unchanged(liveKey, live?.modRevision ?? 0),
          ...keysOfIds.map((id, at) => unchanged(id, entries[at]?.modRevision ?? 0)),
        ],
        success: leaveOperations(keys, {
          ...{ pool, server, identity: value.identity, request: seen, ids, last, registered },
          marks: takeMarks ? marks : [],
        }),
      }),
      { what: `leaving of server ${server}`, repeatable: true },
    );
    if (!held) continue;
    released.push(...ids);
    if (last) return released;
  }
}
