// SPDX-License-Identifier: Apache-2.0
import type { z } from 'zod';
import {
  type EtcdClient,
  type Follow,
  get,
  type KeyValue,
} from '../../registry/etcd/client/index.js';
import {
  type AgentNameValue,
  agentNameValue,
  type Keys,
  type LiveAgentValue,
  liveAgentValue,
  readValue,
} from '../../registry/etcd/layout/index.js';

/** What stands in etcd of an agent. */
export interface OwnRecord {
  /** What it acknowledged, also where it was put among those that are away. */
  readonly acknowledged: number | undefined;
  /** Whether gates wait for it: it is not among those that are away. */
  readonly awaited: boolean;
  readonly countedOut: boolean;
  /** Whose the name is, for as long as others may wait for it. */
  readonly name: OwnKey<AgentNameValue>;
  /** Who is alive under it. */
  readonly live: OwnKey<LiveAgentValue>;
  /** Of the desired state. */
  readonly revision: number;
  /** Of etcd, when this was read. */
  readonly at: number;
}

export interface OwnKey<Value> {
  /** Revision of its last change; 0 where it is absent. */
  readonly modRevision: number;
  /** Undefined where it is absent, or of a version that is not known. */
  readonly value: Value | undefined;
}

export async function readOwnRecord(
  client: EtcdClient,
  keys: Keys,
  agent: string,
): Promise<OwnRecord> {
  const wanted = [
    keys.ack(agent),
    keys.stale(agent),
    keys.countedOut(agent),
    keys.liveAgent(agent),
    keys.agentName(agent),
    keys.revision,
  ].map((key) => get(key));
  const what = `read of agent ${agent}`;
  const { results, revision: at } = await client.kv.txn(
    { when: [], success: wanted },
    { what, repeatable: true },
  );
  const [ack, stale, out, live, name, revision] = results.map((each) =>
    each.kind === 'get' ? each.entries[0] : undefined,
  );
  const known = ack ?? stale;
  return {
    acknowledged: known && Number(known.value.toString()),
    awaited: ack !== undefined,
    countedOut: out !== undefined,
    name: ownKey(name, agentNameValue),
    live: ownKey(live, liveAgentValue),
    revision: revision?.modRevision ?? 0,
    at,
  };
}

/**
 * Two keys are followed, each alone: what lies between them are the acknowledgements of all others.
 *
 * @param isAwaited called with whether gates wait for it, as etcd has it to begin with
 * @param see called with each change of the acknowledgement, and of what an operator counted out
 */
export function followOwnRecord(
  client: EtcdClient,
  keys: Keys,
  agent: string,
  isAwaited: (awaited: boolean) => void,
  see: (key: string, entry: KeyValue | undefined, revision: number) => void,
): Pick<Follow, 'close'> {
  const follow = (key: string, onSnapshot: (present: boolean) => void) =>
    client.follow([{ key }], {
      onSnapshot: ({ entries }) => onSnapshot(entries.length > 0),
      onChanges: ({ revision, changes }) => {
        for (const change of changes) {
          see(key, change.kind === 'put' ? change.entry : undefined, revision);
        }
      },
    });
  const follows = [follow(keys.ack(agent), isAwaited), follow(keys.countedOut(agent), () => {})];
  return {
    close: () => {
      for (const each of follows) each.close();
    },
  };
}

function ownKey<Value>(entry: KeyValue | undefined, schema: z.ZodType<Value>): OwnKey<Value> {
  if (entry === undefined) return { modRevision: 0, value: undefined };
  const { key, modRevision } = entry;
  try {
    return { modRevision, value: readValue(schema, key, entry.value) };
  } catch {
    return { modRevision, value: undefined };
  }
}
