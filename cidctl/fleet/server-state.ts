// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import { put, unchanged } from '../../registry/etcd/client/index.js';
import { readValue, serverValue, valueText } from '../../registry/etcd/layout/index.js';
import {
  type DesiredState,
  isLossy,
  type ServerState,
  type Transition,
  transitions,
} from '../../registry/index.js';
import type { Io } from '../io.js';
import type { SharedRegistry } from '../shared-registry.js';
import { makeChange, untilMade } from './make-change.js';
import { type FleetSnapshot, poolOfServer, readSnapshot } from './snapshot.js';

/** What a command makes of a server. */
export interface StateChange {
  /** Name of the command, for the event. */
  readonly what: string;
  readonly server: string;
  readonly state: ServerState;
  /** Names of transitions that are done nevertheless. */
  readonly forced: readonly string[];
}

export interface StateChanged {
  readonly pool: string;
  readonly server: string;
  readonly before: ServerState;
  readonly state: ServerState;
  /** At which the server became so. */
  readonly revision: number;
  /** What it would lose, and was not forced; it was not done then. */
  readonly refused: readonly Transition[];
}

/**
 * Sets the state of a server in one transaction, which is made only if nothing changed the
 * desired state since it was looked at: whether connections are lost depends on the other servers
 * too. Where something else changed, it is decided anew.
 *
 * @throws CidecarError SERVER_UNKNOWN; REGISTRY_CHANGED where somebody else changed this server
 */
export async function changeServerState(
  registry: SharedRegistry,
  schemes: Schemes,
  io: Io,
  change: StateChange,
): Promise<StateChanged> {
  const { keys, client } = registry;
  let seenFirst: number | undefined;
  return untilMade(async () => {
    const snapshot = await readSnapshot(registry, schemes, io);
    const { name: pool } = poolOfServer(snapshot, change.server);
    const key = keys.server(pool, change.server);
    const entry = snapshot.desired.entries.get(key);
    if (entry === undefined) throw new Error('a server has a key');
    const value = readValue(serverValue, key, entry.value);
    const { server, state } = change;
    const result = { pool, server, before: value.state, state, revision: entry.modRevision };
    if (value.state === state) return { ...result, refused: [] };
    seenFirst ??= entry.modRevision;
    if (entry.modRevision !== seenFirst) {
      const by = await whoChanged(client, keys.revision);
      const message = `server ${server} was changed${by} meanwhile, and is ${value.state} now`;
      throw new CidecarError('REGISTRY_CHANGED', message);
    }
    const found = lossesOf(snapshot, pool, server, state);
    const refused = found.filter(({ name }) => !change.forced.includes(name));
    if (refused.length > 0) return { ...result, refused };
    const raw: unknown = JSON.parse(entry.value.toString());
    const made = await makeChange(registry, snapshot.desired.revision, {
      what: change.what,
      pool,
      changes: [`server ${server} of pool ${pool}: ${value.state} -> ${state}`],
      forced: [...new Set(found.map(({ name }) => name))],
      when: [unchanged(keys.revision, snapshot.revision), unchanged(key, entry.modRevision)],
      success: [put(key, valueText({ ...Object(raw), state }))],
    });
    return made === undefined ? undefined : { ...result, revision: made, refused: [] };
  });
}

/** What the change loses. It concerns servers alone, so configs need not be opened. */
function lossesOf(
  { pools }: FleetSnapshot,
  pool: string,
  server: string,
  state: ServerState,
): Transition[] {
  const assembly = pools.find(({ name }) => name === pool);
  if (assembly === undefined) return [];
  const withState = (change: boolean): DesiredState => ({
    revision: change ? 'after' : 'before',
    pools: [
      {
        name: pool,
        vips: assembly.vips,
        configs: [],
        servers: assembly.servers.list.map((each) =>
          change && each.name === server ? { ...each, state } : each,
        ),
      },
    ],
  });
  return transitions(withState(false), withState(true)).filter(isLossy);
}

async function whoChanged(client: SharedRegistry['client'], key: string): Promise<string> {
  const entry = await client.kv.get(key);
  try {
    const value: unknown = JSON.parse(entry?.value.toString() ?? '');
    const by: unknown = Reflect.get(Object(value), 'by');
    return typeof by === 'string' ? ` by ${by}` : '';
  } catch {
    return '';
  }
}
