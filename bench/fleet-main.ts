// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { CidecarError } from '../core/index.js';
import { Agent } from '../lb-agent/agent.js';
import { PinFolder } from '../lb-agent/installation/pins.js';
import { hostInterface } from '../lb-agent/reachability/next-hops/host-interface.js';
import type { Goal } from '../lb-agent/reconcile/goal.js';
import { REPLY } from '../lb-agent/reconcile/next-hop.js';
import { type Operation, put, withPrefix } from '../registry/etcd/client/index.js';
import { EtcdClient, EtcdRegistry } from '../registry/etcd/index.js';
import { Keys, revisionNumber, transaction } from '../registry/etcd/layout/index.js';
import { keyring } from '../registry/etcd/testing/documents.js';
import type { DesiredState } from '../registry/index.js';
import { putPool } from '../test/etcd/fleet-document.js';
import { Members } from '../test/etcd/members.js';
import { OctetCounter } from '../test/etcd/octet-counter.js';
import { Registrants } from '../test/etcd/registrants.js';
import { TestAgent } from '../test/etcd/test-agent.js';
import { until } from '../test/etcd/until.js';
import type { FleetRow } from './fleet.js';

const AGENTS = 50;
const CHANGES = 100;
const AT_ONCE = 200;
const REGISTERED = 2_000;
/** Seconds of a lease, as the daemons have by default. */
const TTL = 10;
const RUNS = 1_000;
const RUN_IDS = 1_000;
/** Seconds for which the load of an idle fleet is measured. */
const IDLE_S = 10;

/** benchFleet runs this program with a pin folder and a folder of its own as arguments. */
const [pinFolder = '', folder = ''] = process.argv.slice(2);

const rows: FleetRow[] = [];
// Pings of 50 hosts in one process that waits for a CPU come in bunches, for which etcd would end
// their connections.
const members = await Members.start({ count: 3, flags: ['--grpc-keepalive-min-time=1s'] });

/**
 * From just before the transaction is sent to the return of the driver: 49 agents with tables in
 * memory, one with the kernel's. All are in this process, so that a later one waits for those
 * before it; on hosts of their own they would not.
 */
async function measureChanges(): Promise<void> {
  const prefix = '/fleet';
  const keys = new Keys(prefix);
  const client = new EtcdClient(members.endpoints, prefix);
  const servers = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`static-${i}`, [hexOf(0x100000 + i)]]),
  );
  const allocation = { first: 1, last: 100_000 };
  await putPool(client, { configs: ['minting'], nonceLength: 4, servers, allocation });
  const reached: Map<number, number[]> = new Map();
  const inKernel: number[] = [];
  let started = 0;
  const note = (desired: DesiredState) => {
    const revision = revisionNumber(desired.revision) ?? 0;
    const took = performance.now() - started;
    reached.set(revision, [...(reached.get(revision) ?? []), took]);
    return took;
  };
  const agents: TestAgent[] = [];
  for (let i = 1; i < AGENTS; i += 1) {
    const own = join(folder, `lb-${i}`);
    mkdirSync(own, { recursive: true });
    const agent = `lb-${i}`;
    const of = { endpoints: members.endpoints, prefix, agent, folder: own, ttl: TTL };
    agents.push(await TestAgent.start({ ...of, onApplied: note }));
  }
  await until('all agents are live', () => agents.every(({ fleet }) => fleet.alive), 120_000);
  const kernel = await KernelAgent.start(prefix, 'changes', 'eth0', (desired) => {
    inKernel.push(note(desired));
  });
  const usage = await load();
  add('etcd: 50 agents, nothing changes', usage.cpu, 'ms/s');
  add('etcd: memory of a member', usage.megabytes, 'MB');

  inKernel.length = 0;
  const all: number[] = [];
  for (let i = 0; i < CHANGES; i += 1) {
    const value = { address: `10.0.1.${(i % 100) + 1}`, weight: 50 + i };
    const key = keys.server('web', `static-${i % 100}`);
    started = performance.now();
    const { revision } = await client.kv.txn(
      transaction(keys, 'bench', { success: [put(key, JSON.stringify(value))] }),
      { what: 'change', repeatable: true },
    );
    await until('all have it', () => reached.get(revision)?.length === AGENTS);
    all.push(...(reached.get(revision) ?? []));
  }
  add('change to 50 agents, p50', quantile(all, 0.5), 'ms');
  add('change to 50 agents, p99', quantile(all, 0.99), 'ms');
  add('change to the one kernel, p50', quantile(inKernel, 0.5), 'ms');
  add('change to the one kernel, p99', quantile(inKernel, 0.99), 'ms');
  await kernel.close();
  await measureRegistrations(prefix);
  await Promise.all(agents.map((agent) => agent.stop()));
  client.close();
}

/** With the 50 agents, one of which is the controller and hands out the IDs. */
async function measureRegistrations(prefix: string): Promise<void> {
  const registrants = new Registrants(members.endpoints, prefix);
  const register = async (from: number, count: number) => {
    const registries = Array.from({ length: 10 }, () => registrants.registry());
    const began = performance.now();
    await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const registry = registries[i % registries.length];
        if (registry === undefined) throw new Error('there is a registry');
        const registration = registrants.begin(`web-${from + i}`, registry, { ttl: TTL });
        // Where members are starved of CPU a read may fail; a sidecar would be started again.
        while (!(await registration.ready().then(isReady, isAway)));
      }),
    );
    return performance.now() - began;
  };
  add('200 sidecars register at once', await register(1, AT_ONCE), 'ms');
  for (let from = AT_ONCE + 1; from <= REGISTERED; from += AT_ONCE) await register(from, AT_ONCE);
  const client = new EtcdClient(members.endpoints, prefix);
  const keys = new Keys(prefix);
  const [member] = members.all;
  if (member === undefined) throw new Error('there is a member');
  const counter = await OctetCounter.start(member.place);
  const watching = new EtcdRegistry(new EtcdClient([counter.endpoint], prefix), {
    keyring: keyring(),
  });
  await watching.read();
  add('octets to a host that starts with 2,100 servers', counter.received, 'octets');
  await pause(2_000);
  const before = counter.received;
  for (let i = 0; i < 20; i += 1) {
    const success = [put(keys.server('web', 'static-1'), `{"address":"10.0.1.2","weight":${i}}`)];
    await client.kv.txn(transaction(keys, 'bench', { success }), { repeatable: true });
  }
  await watching.read();
  add('octets of a change to a host', (counter.received - before) / 20, 'octets');
  await watching.close();
  await counter.close();
  const { count } = await client.kv.count(withPrefix(keys.root));
  add('keys with 50 agents, 2,000 registered servers', count, 'keys');
  const usage = await load();
  add('etcd: 50 agents, 2,000 registered servers, nothing changes', usage.cpu, 'ms/s');
  add('etcd: memory of a member, 2,000 registered servers', usage.megabytes, 'MB');
  client.close();
  await registrants.close();
}

/** From nothing to the attachment: 1,000 servers with a run of 1,000 IDs each. */
async function measureMillion(): Promise<void> {
  const prefix = '/million';
  const keys = new Keys(prefix);
  const client = new EtcdClient(members.endpoints, prefix);
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
  const began = performance.now();
  let read = 0;
  const agent = await KernelAgent.start(
    prefix,
    'million',
    'eth1',
    () => {},
    () => {
      read = performance.now() - began;
    },
  );
  add('1M IDs from etcd to the kernel', performance.now() - began, 'ms');
  add('1M IDs from etcd to a checked state', read, 'ms');
  await agent.close();
  client.close();
}

/** An agent with a balancer in the kernel, without what it says to others. */
class KernelAgent {
  readonly #agent: Agent;
  readonly #registry: EtcdRegistry;

  private constructor(agent: Agent, registry: EtcdRegistry) {
    this.#agent = agent;
    this.#registry = registry;
  }

  static async start(
    prefix: string,
    name: string,
    device: string,
    onApplied: (state: DesiredState) => void,
    onRead: () => void = () => {},
  ): Promise<KernelAgent> {
    const client = new EtcdClient(members.endpoints, prefix);
    const registry = new EtcdRegistry(client, { keyring: keyring() });
    const state = await registry.read();
    onRead();
    const agent = await Agent.start(
      {
        interface: hostInterface(device),
        mode: 'native',
        pins: new PinFolder(join(pinFolder, name)),
        stateFile: join(folder, `${name}.json`),
        settings: {},
        sources: { source4: '192.0.2.1', source6: null },
        check: () => {},
        flowsPerCpu: 2 ** 14,
        cooldownMs: 120_000,
        log: pino({ level: 'silent' }),
      },
      goalOf(state),
    );
    let last = Promise.resolve();
    await registry.watch({
      onChange: (next) => {
        last = last.then(async () => {
          await agent.reconcile(goalOf(next));
          onApplied(next);
        });
      },
      onError: () => {},
    });
    return new KernelAgent(agent, registry);
  }

  async close(): Promise<void> {
    await this.#registry.close();
    this.#agent.close();
  }
}

const isReady = () => true;

function isAway(error: unknown): false {
  if (error instanceof CidecarError && error.code === 'REGISTRY_UNAVAILABLE') return false;
  throw error;
}

function goalOf(desired: DesiredState): Goal {
  return { desired, verdicts: new Map(), nextHop: () => REPLY };
}

function hexOf(id: number): string {
  return id.toString(16).padStart(6, '0');
}

/** Of all members together: milliseconds of CPU a second; of the largest: resident memory. */
async function load(): Promise<{ cpu: number; megabytes: number }> {
  const ticks = () => members.all.reduce((sum, { pid }) => sum + ticksOf(pid), 0);
  await pause(2_000);
  const before = ticks();
  await pause(1_000 * IDLE_S);
  const cpu = ((ticks() - before) * 10) / IDLE_S;
  return { cpu, megabytes: Math.max(...members.all.map(({ pid }) => residentMegabytes(pid))) };
}

/** User and system time, in hundredths of a second. */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function residentMegabytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}

function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(at * sorted.length))] ?? Number.NaN;
}

function add(name: string, value: number, unit: FleetRow['unit']): void {
  rows.push({ case: name, value, unit });
}

try {
  await measureChanges();
  await measureMillion();
} finally {
  await members.dispose();
}
process.stdout.write(`${JSON.stringify(rows)}\n`);
