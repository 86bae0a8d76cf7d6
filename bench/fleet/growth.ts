// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { type EtcdClient, put, withPrefix } from '../../registry/etcd/client/index.js';
import { EtcdClient as Client, EtcdRegistry } from '../../registry/etcd/index.js';
import { Keys, transaction } from '../../registry/etcd/layout/index.js';
import { keyring } from '../../registry/etcd/testing/documents.js';
import { putPool } from '../../test/etcd/fleet-document.js';
import { OctetCounter } from '../../test/etcd/octet-counter.js';
import type { WorkerProcess } from '../../test/netns/process.js';
import { largest, type Process, restOf, usageOf } from './load.js';
import type { AddRow } from './row.js';
import type { Registering } from './servers.js';
import { type FleetWorld, TTL } from './world.js';

const PREFIX = '/growth';
const IN_KERNEL = 2;
const IN_MEMORY = [24, 24];
const AT_ONCE = 200;
const REGISTERED = 2_000;
/** Octets are counted over so many changes. */
const COUNTED = 20;

/**
 * A fleet that grows while it has two agents, one of which is the controller and hands out the
 * IDs: on the CPUs of this machine each agent takes every state that this makes, which it does
 * not on hosts of its own. The other 48 come at the end.
 */
export async function measureGrowth(world: FleetWorld, add: AddRow): Promise<void> {
  const client = world.client(PREFIX);
  const allocation = { first: 1, last: 100_000 };
  await putPool(client, { configs: ['minting'], nonceLength: 4, allocation });
  const kernels = world.kernels(PREFIX, IN_KERNEL);
  await Promise.all(kernels.map((agent) => agent.joined()));
  const servers = await world.worker('servers', 'servers');
  const groups = { members: world.members.all, agents: kernels, servers: [servers] };
  const { ms, cpu, others } = await usageOf(groups, () => register(world, servers, 1));
  const first = `${AT_ONCE} sidecars register at once`;
  add({ case: first, value: ms, unit: 'ms', others });
  add({ case: `${first}: CPU of the members`, value: cpu.members, unit: 'ms' });
  add({ case: `${first}: CPU of two agents`, value: cpu.agents, unit: 'ms' });
  add({ case: `${first}: CPU of the sidecars`, value: cpu.servers, unit: 'ms' });
  const shared = await sharedIds(world, AT_ONCE);
  add({ case: 'IDs that two of them have', value: shared, unit: 'IDs' });
  await measureMore(world, { groups, servers, add });
  for (const count of IN_MEMORY) await world.inMemory(PREFIX, count);
  await measureOctets(world, client, add);
  const { count } = await client.kv.count(withPrefix(new Keys(PREFIX).root));
  const all = `50 agents, ${REGISTERED} registered servers`;
  add({ case: `${all}: keys`, value: count, unit: 'keys' });
  const rest = await restOf({ members: world.members.all });
  const perSecond = (rest.cpu.members * 1_000) / rest.ms;
  add({ case: `${all}, nothing changes: CPU of the members`, value: perSecond, unit: 'ms/s' });
  add({ case: `${all}: memory of a member`, value: largest(world.members.all), unit: 'MB' });
}

interface More {
  readonly groups: Readonly<Record<'members' | 'agents' | 'servers', readonly Process[]>>;
  readonly servers: WorkerProcess;
  readonly add: AddRow;
}

/** The others, as many at a time. */
async function measureMore(world: FleetWorld, { groups, servers, add }: More): Promise<void> {
  const { ms, cpu, others } = await usageOf(groups, async () => {
    for (let from = AT_ONCE + 1; from <= REGISTERED; from += AT_ONCE) {
      await register(world, servers, from);
    }
  });
  const more = `${REGISTERED - AT_ONCE} more, ${AT_ONCE} at a time`;
  add({ case: more, value: ms, unit: 'ms', others });
  add({ case: `${more}: CPU of all`, value: cpu.members + cpu.agents + cpu.servers, unit: 'ms' });
}

async function register(world: FleetWorld, servers: WorkerProcess, from: number): Promise<void> {
  const { endpoints } = world.members;
  const of: Registering = { endpoints, prefix: PREFIX, from, count: AT_ONCE, ttl: TTL };
  await servers.call('register', of);
}

/** Of the IDs that registered servers have: those with two owners. */
async function sharedIds({ members }: FleetWorld, servers: number): Promise<number> {
  const client = new Client(members.endpoints, PREFIX);
  const registry = new EtcdRegistry(client, { keyring: keyring() });
  const state = await registry.read();
  const owners = new Map<string, string>();
  let shared = 0;
  for (const { name, serverIds } of state.pools.flatMap((pool) => pool.servers)) {
    for (const id of serverIds.get(0) ?? []) {
      const hex = Buffer.from(id).toString('hex');
      if (owners.has(hex)) shared += 1;
      owners.set(hex, name);
    }
  }
  const registered = [...owners.values()].filter((name) => name.startsWith('web-'));
  await registry.close();
  if (new Set(registered).size !== servers) throw new Error('a server has no ID');
  return shared;
}

async function measureOctets(
  { members }: FleetWorld,
  client: EtcdClient,
  add: AddRow,
): Promise<void> {
  const keys = new Keys(client.prefix);
  const counter = await OctetCounter.start(members.member(0).place);
  const counted = new Client([counter.endpoint], client.prefix);
  const watching = new EtcdRegistry(counted, { keyring: keyring() });
  await watching.read();
  const start = `octets to a host that starts with ${REGISTERED} servers`;
  add({ case: start, value: counter.received, unit: 'octets' });
  await pause(2_000);
  const before = counter.received;
  for (let i = 0; i < COUNTED; i += 1) {
    const success = [put(keys.server('web', 'web-1'), `{"address":"10.0.0.1","weight":${i}}`)];
    await client.kv.txn(transaction(keys, 'bench', { success }), { repeatable: true });
  }
  await watching.read();
  const each = (counter.received - before) / COUNTED;
  add({ case: 'octets of a change to a host', value: each, unit: 'octets' });
  await watching.close();
  await counter.close();
}
