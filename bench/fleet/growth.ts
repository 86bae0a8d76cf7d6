// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { type EtcdClient, put, withPrefix } from '../../registry/etcd/client/index.js';
import { EtcdClient as Client, EtcdRegistry } from '../../registry/etcd/index.js';
import { Keys, transaction } from '../../registry/etcd/layout/index.js';
import { keyring } from '../../registry/etcd/testing/documents.js';
import { putPool } from '../../test/etcd/fleet-document.js';
import { OctetCounter } from '../../test/etcd/octet-counter.js';
import type { WorkerProcess } from '../../test/netns/process.js';
import { largest, type Process, restOf, type Usage, usageOf } from './load.js';
import type { AddRow } from './row.js';
import type { Registering } from './servers.js';
import { type FleetWorld, TTL } from './world.js';

const IN_KERNEL = 2;
const IN_MEMORY = [24, 24];
const AT_ONCE = 200;
const REGISTERED = 2_000;
/** Octets are counted over so many changes. */
const COUNTED = 20;

/** Two agents with a kernel, one of which is the controller of the pool and hands out the IDs. */
class Growing {
  readonly client: EtcdClient;
  readonly #world: FleetWorld;
  readonly #agents: readonly Process[];
  readonly #servers: WorkerProcess;

  private constructor(
    world: FleetWorld,
    client: EtcdClient,
    agents: readonly Process[],
    servers: WorkerProcess,
  ) {
    this.client = client;
    this.#world = world;
    this.#agents = agents;
    this.#servers = servers;
  }

  static async start(world: FleetWorld, prefix: string): Promise<Growing> {
    const client = world.client(prefix);
    const allocation = { first: 1, last: 100_000 };
    await putPool(client, { configs: ['minting'], nonceLength: 4, allocation });
    const kernels = world.kernels(prefix, IN_KERNEL);
    await Promise.all(kernels.map((agent) => agent.joined()));
    return new Growing(world, client, kernels, await world.worker('servers', 'servers'));
  }

  /** Registers servers by their numbers, so many at once, up to but without `end`. */
  register(from: number, end: number): Promise<Usage<'members' | 'agents' | 'sidecars'>> {
    const { members } = this.#world;
    const groups = { members: members.all, agents: this.#agents, sidecars: [this.#servers] };
    return usageOf(groups, async () => {
      for (let at = from; at < end; at += AT_ONCE) {
        const { endpoints } = members;
        const { prefix } = this.client;
        const of: Registering = { endpoints, prefix, from: at, count: AT_ONCE, ttl: TTL };
        await this.#servers.call('register', of);
      }
    });
  }
}

/** 200 sidecars that start at once: what each of them does of itself, and the IDs that they get. */
export async function measureRegistration(world: FleetWorld, add: AddRow): Promise<void> {
  const growing = await Growing.start(world, '/registration');
  const { ms, cpu, others } = await growing.register(1, 1 + AT_ONCE);
  const name = `${AT_ONCE} sidecars register at once`;
  add({ case: name, value: ms, unit: 'ms', others });
  add({ case: `${name}: CPU of the members`, value: cpu.members, unit: 'ms' });
  add({ case: `${name}: CPU of two agents`, value: cpu.agents, unit: 'ms' });
  add({ case: `${name}: CPU of the sidecars`, value: cpu.sidecars, unit: 'ms' });
  const shared = await sharedIds(world, growing.client.prefix, AT_ONCE);
  add({ case: 'IDs that two of them have', value: shared, unit: 'IDs' });
}

/**
 * A fleet that grows to 2,000 servers while it has two agents: on the CPUs of this machine each
 * agent takes every state that this makes, which it does not on hosts of its own. The other 48
 * come at the end.
 */
export async function measureGrowth(world: FleetWorld, add: AddRow): Promise<void> {
  const growing = await Growing.start(world, '/growth');
  const { ms, cpu, others } = await growing.register(1, 1 + REGISTERED);
  const growth = `${REGISTERED} sidecars register, ${AT_ONCE} at a time`;
  add({ case: growth, value: ms, unit: 'ms', others });
  const total = cpu.members + cpu.agents + cpu.sidecars;
  add({ case: `${growth}: CPU of all`, value: total, unit: 'ms' });
  const { client } = growing;
  await measureOctets(world, client, add);
  for (const count of IN_MEMORY) await world.inMemory(client.prefix, count);
  const { count } = await client.kv.count(withPrefix(new Keys(client.prefix).root));
  const all = `50 agents, ${REGISTERED} registered servers`;
  add({ case: `${all}: keys`, value: count, unit: 'keys' });
  const rest = await restOf({ members: world.members.all });
  const perSecond = (rest.cpu.members * 1_000) / rest.ms;
  add({ case: `${all}, nothing changes: CPU of the members`, value: perSecond, unit: 'ms/s' });
  add({ case: `${all}: memory of a member`, value: largest(world.members.all), unit: 'MB' });
}

/** Of the IDs that registered servers have: those with two owners. */
async function sharedIds(
  { members }: FleetWorld,
  prefix: string,
  servers: number,
): Promise<number> {
  const client = new Client(members.endpoints, prefix);
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
  await registry.close();
  if (new Set(owners.values()).size !== servers) throw new Error('a server has no ID');
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
