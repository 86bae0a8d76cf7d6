// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Operation, put, withPrefix } from '../../registry/etcd/client/index.js';
import { EtcdClient, EtcdRegistry } from '../../registry/etcd/index.js';
import { Keys, transaction } from '../../registry/etcd/layout/index.js';
import { keyring } from '../../registry/etcd/testing/documents.js';
import { putPool } from '../../test/etcd/fleet-document.js';
import { Members } from '../../test/etcd/members.js';
import { OctetCounter } from '../../test/etcd/octet-counter.js';
import { until } from '../../test/etcd/until.js';
import { WorkerProcess } from '../../test/netns/process.js';
import { AgentProcess } from './agent-process.js';
import type { AgentsOptions, Reached } from './agents.js';
import { now } from './clock.js';
import type { FleetRow } from './fleet.js';
import { cpuOf, loadOf } from './load.js';
import type { Registering } from './servers.js';

/** Agents that are processes of their own with a kernel, and those in memory in each process. */
const IN_KERNEL = 2;
const IN_MEMORY = [24, 24];
const CHANGES = 100;
const AT_ONCE = 200;
const REGISTERED = 2_000;
/** Seconds of a lease, as the daemons have by default. */
const TTL = 10;
const RUNS = 1_000;
const RUN_IDS = 1_000;

/** benchFleet runs this program with a pin folder and a folder of its own as arguments. */
const [pinFolder = '', folder = '', ...wanted] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

const rows: FleetRow[] = [];
// Pings of 24 hosts in one process that waits for a CPU come in bunches, for which etcd would end
// their connections.
const members = await Members.start({ count: 3, flags: ['--grpc-keepalive-min-time=1s'] });
const { endpoints } = members;

/** A fleet of 50 agents whose state changes. */
async function measureFleet(): Promise<void> {
  const prefix = '/fleet';
  const client = new EtcdClient(endpoints, prefix);
  const servers = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`static-${i}`, [hexOf(0x100000 + i)]]),
  );
  await putPool(client, { configs: ['minting'], nonceLength: 4, servers });
  const kernels = await startKernels(prefix, 0);
  const workers = await startInMemory(prefix);
  const usage = await loadOf(members.all);
  add('etcd: 50 agents, nothing changes', usage.cpu, 'ms/s');
  add('etcd: memory of a member', usage.megabytes, 'MB');
  await measureChanges(client, kernels, workers);
  for (const each of [...kernels, ...workers]) await each.stop();
  client.close();
}

/**
 * A fleet that grows while it has two agents, one of which is the controller and hands out the
 * IDs: on the CPUs of this machine each agent takes every state that this makes, which it does
 * not on hosts of its own. The other 48 come at the end.
 */
async function measureGrowth(): Promise<void> {
  const prefix = '/growth';
  const client = new EtcdClient(endpoints, prefix);
  const allocation = { first: 1, last: 100_000 };
  await putPool(client, { configs: ['minting'], nonceLength: 4, allocation });
  const kernels = await startKernels(prefix, IN_KERNEL);
  const servers = worker('servers', 'servers');
  await servers.ready();
  let took = 0;
  const cpu = await cpuOf([...members.all, ...kernels, servers], async () => {
    took = await register(servers, 1, AT_ONCE);
  });
  add('200 sidecars register at once', took, 'ms');
  add('200 sidecars register at once, CPU of all', cpu, 'ms');
  add('IDs that two of them have', await sharedIds(client, AT_ONCE), 'IDs');
  took = 0;
  for (let from = AT_ONCE + 1; from <= REGISTERED; from += AT_ONCE) {
    took += await register(servers, from, AT_ONCE);
  }
  add('1,800 more, 200 at a time', took, 'ms');
  const workers = await startInMemory(prefix);
  await measureOctets(client);
  const { count } = await client.kv.count(withPrefix(new Keys(prefix).root));
  add('keys with 50 agents, 2,000 registered servers', count, 'keys');
  const usage = await loadOf(members.all);
  add('etcd: 50 agents, 2,000 registered servers, nothing changes', usage.cpu, 'ms/s');
  add('etcd: memory of a member, 2,000 registered servers', usage.megabytes, 'MB');
  for (const each of [servers, ...kernels, ...workers]) await each.stop();
  client.close();
}

async function register(servers: WorkerProcess, from: number, count: number): Promise<number> {
  const of: Registering = { endpoints, prefix: '/growth', from, count, ttl: TTL };
  const began = now();
  await servers.call('register', of);
  return now() - began;
}

/** Agents that are processes of their own, with a kernel: the first that joins is the controller. */
async function startKernels(prefix: string, from: number): Promise<AgentProcess[]> {
  const kernels = Array.from({ length: IN_KERNEL }, (_, at) => agentProcess(prefix, from + at));
  await Promise.all(kernels.map((agent) => agent.joined()));
  return kernels;
}

async function startInMemory(prefix: string): Promise<WorkerProcess[]> {
  const workers = IN_MEMORY.map((_, at) => worker('agents', `${prefix.slice(1)}-agents-${at}`));
  await Promise.all(workers.map((each, at) => startAgents(each, at, prefix)));
  return workers;
}

/**
 * From just before the transaction is sent until tables have it: those of the agents that are
 * processes of their own, which are the kernel's, and those in memory. Agents that share a process
 * wait for each other, and all of them for the CPUs of this machine; on hosts of their own they
 * would not.
 */
async function measureChanges(
  client: EtcdClient,
  kernels: readonly AgentProcess[],
  workers: readonly WorkerProcess[],
): Promise<void> {
  const reached: Reached[] = [];
  for (const each of workers) each.on('reached', (data) => reached.push(data as Reached));
  const keys = new Keys(client.prefix);
  const sent = new Map<number, number>();
  const change = async (i: number) => {
    const value = { address: `10.0.1.${(i % 100) + 1}`, weight: 50 + i };
    const success = [put(keys.server('web', `static-${i % 100}`), JSON.stringify(value))];
    const at = now();
    const { revision } = await client.kv.txn(transaction(keys, 'bench', { success }), {
      what: 'change',
      repeatable: true,
    });
    sent.set(revision, at);
    await until('all tables have it', () => {
      const inMemory = reached.filter((each) => each.revision === revision);
      const ready = inMemory.length === workers.length;
      return ready && kernels.every((agent) => agent.applied().has(revision));
    });
  };
  const cpu = await cpuOf([...members.all, ...kernels, ...workers], async () => {
    for (let i = 0; i < CHANGES; i += 1) await change(i);
  });
  const after = (revision: number, at: number) => {
    const from = sent.get(revision);
    return from === undefined ? [] : [at - from];
  };
  const inKernel = kernels.flatMap((agent) =>
    [...agent.applied()].flatMap(([revision, at]) => after(revision, at)),
  );
  const inMemory = reached.flatMap(({ revision, at }) =>
    at.flatMap((each) => after(revision, each)),
  );
  const all = [...inKernel, ...inMemory];
  add('change to 50 agents, p50', quantile(all, 0.5), 'ms');
  add('change to 50 agents, p99', quantile(all, 0.99), 'ms');
  add('a change, CPU of all', cpu / CHANGES, 'ms');
  add('change to the kernels of two of them, p50', quantile(inKernel, 0.5), 'ms');
  add('change to the kernels of two of them, p99', quantile(inKernel, 0.99), 'ms');
}

/** Of the IDs that registered servers have: those with two owners, and what is missing. */
async function sharedIds(client: EtcdClient, servers: number): Promise<number> {
  const registry = new EtcdRegistry(new EtcdClient(endpoints, client.prefix), {
    keyring: keyring(),
  });
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
  if (new Set(registered).size !== servers) throw new Error('a server has no ID');
  await registry.close();
  return shared;
}

async function measureOctets(client: EtcdClient): Promise<void> {
  const keys = new Keys(client.prefix);
  const counter = await OctetCounter.start(members.member(0).place);
  const counted = new EtcdClient([counter.endpoint], client.prefix);
  const watching = new EtcdRegistry(counted, { keyring: keyring() });
  await watching.read();
  add('octets to a host that starts with 2,000 servers', counter.received, 'octets');
  await pause(2_000);
  const before = counter.received;
  for (let i = 0; i < 20; i += 1) {
    const success = [put(keys.server('web', 'web-1'), `{"address":"10.0.0.1","weight":${i}}`)];
    await client.kv.txn(transaction(keys, 'bench', { success }), { repeatable: true });
  }
  await watching.read();
  add('octets of a change to a host', (counter.received - before) / 20, 'octets');
  await watching.close();
  await counter.close();
}

/** From the start of the process to the attachment: 1,000 servers with a run of 1,000 IDs each. */
async function measureMillion(): Promise<void> {
  const prefix = '/million';
  const keys = new Keys(prefix);
  const client = new EtcdClient(endpoints, prefix);
  await putPool(client, { configs: ['minting'], nonceLength: 4, servers: { s0: [] } });
  const operations: Operation[] = [];
  for (let i = 0; i < RUNS; i += 1) {
    const server = `s${i}`;
    const address = `10.${i >> 8}.${i & 255}.1`;
    operations.push(put(keys.server('web', server), JSON.stringify({ address })));
    const run = { server, count: RUN_IDS };
    operations.push(put(keys.id('web', 0, hexOf(i * RUN_IDS)), JSON.stringify(run)));
  }
  for (let at = 0; at < operations.length; at += 100) {
    const success = operations.slice(at, at + 100);
    await client.kv.txn(transaction(keys, 'bench', { success }), { repeatable: true });
  }
  const agent = agentProcess(prefix, 2 * IN_KERNEL);
  add('1M IDs from etcd to the kernel, from the start of the agent', await agent.ready(), 'ms');
  await agent.stop();
  client.close();
}

function agentProcess(prefix: string, at: number): AgentProcess {
  return new AgentProcess({
    agent: `lb-${at}`,
    registry: `${members.address}${prefix}`,
    interface: `eth${at}`,
    pinDir: join(pinFolder, `lb-${at}`),
    folder,
    ttl: TTL,
  });
}

async function startAgents(agents: WorkerProcess, at: number, prefix: string): Promise<void> {
  await agents.ready();
  const names = Array.from({ length: IN_MEMORY[at] ?? 0 }, (_, i) => `memory-${at}-${i}`);
  await agents.call('start', {
    endpoints,
    prefix,
    names,
    folder,
    ttl: TTL,
  } satisfies AgentsOptions);
}

function worker(program: string, title: string): WorkerProcess {
  return new WorkerProcess({
    title,
    entry: `bench/fleet/${program}`,
    log: join(folder, `${title}.log`),
  });
}

function hexOf(id: number): string {
  return id.toString(16).padStart(6, '0');
}

function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(at * sorted.length))] ?? Number.NaN;
}

/** What is measured is shown as it comes, for who waits. */
function add(name: string, value: number, unit: FleetRow['unit']): void {
  process.stderr.write(`fleet: ${name}: ${value.toFixed(1)} ${unit}\n`);
  rows.push({ case: name, value, unit });
}

try {
  const parts = { changes: measureFleet, growth: measureGrowth, million: measureMillion };
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length === 0 || wanted.includes(name)) await part();
  }
} finally {
  await members.dispose();
}
process.stdout.write(`${JSON.stringify(rows)}\n`);
