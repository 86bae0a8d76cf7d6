// SPDX-License-Identifier: Apache-2.0
import { type EtcdClient, put } from '../../registry/etcd/client/index.js';
import { controllerValue, Keys, readValue, transaction } from '../../registry/etcd/layout/index.js';
import { putPool } from '../../test/etcd/fleet-document.js';
import { until } from '../../test/etcd/until.js';
import type { WorkerProcess } from '../../test/netns/process.js';
import { quantile } from '../statistics.js';
import type { AgentProcess } from './agent-process.js';
import type { Reached } from './agents.js';
import { now } from './clock.js';
import { hexOf } from './hex.js';
import { largest, restOf, usageOf } from './load.js';
import type { AddRow } from './row.js';
import type { FleetWorld } from './world.js';

const PREFIX = '/changes';
/** Agents that are processes of their own with a kernel. */
const IN_KERNEL = 2;
/** Agents that come for each of the sizes of the fleet, each group in a process. */
const SIZES: readonly (readonly number[])[] = [[], [8], [20, 20]];
/** Changes at each size, and of these the first, which compile the code. */
const CHANGES = 100;
const WARM_UP = 20;

/**
 * Changes of a server's weight, each when all agents have the one before: how long until the
 * kernel has it, in fleets of 2, 10 and 50 agents, and what it costs whom. All agents share the
 * CPUs of this machine, which on hosts of their own they do not; those in memory share a process
 * too. So the times of 50 agents are at least the CPU time of all over the number of CPUs.
 */
export async function measureChanges(world: FleetWorld, add: AddRow): Promise<void> {
  const client = world.client(PREFIX);
  const servers = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`static-${i}`, [hexOf(0x100000 + i)]]),
  );
  await putPool(client, { configs: ['minting'], nonceLength: 4, servers });
  const kernels = world.kernels(PREFIX, IN_KERNEL);
  await Promise.all(kernels.map((agent) => agent.joined()));
  const fleet = new ChangedFleet(client, kernels);
  for (const sizes of SIZES) {
    for (const size of sizes) fleet.takeIn(await world.inMemory(PREFIX, size), size);
    await measureSize(world, fleet, add);
  }
}

async function measureSize(world: FleetWorld, fleet: ChangedFleet, add: AddRow): Promise<void> {
  const { size } = fleet;
  const groups = { members: world.members.all, ...(await fleet.groups()) };
  const rest = await restOf(groups);
  const perSecond = (cpu: number) => (cpu * 1_000) / rest.ms;
  const idle = `${size} agents, nothing changes`;
  add({ case: `${idle}: CPU of the members`, value: perSecond(rest.cpu.members), unit: 'ms/s' });
  add({ case: `${idle}: CPU of an agent`, value: perSecond(rest.cpu.agent), unit: 'ms/s' });
  if (size === 50) {
    add({ case: `${idle}: memory of a member`, value: largest(world.members.all), unit: 'MB' });
  }
  for (let i = 0; i < WARM_UP; i += 1) await fleet.change();
  fleet.forget();
  const { ms, cpu, others } = await usageOf(groups, async () => {
    for (let i = 0; i < CHANGES; i += 1) await fleet.change();
  });
  const { inKernel, all } = fleet.latencies();
  const to = `change to the kernel, ${size} agents`;
  add({ case: `${to}, p50`, value: quantile(inKernel, 0.5), unit: 'ms', others });
  add({ case: `${to}, p99`, value: quantile(inKernel, 0.99), unit: 'ms', others });
  if (size > IN_KERNEL) {
    add({
      case: `change to all ${size} agents, p50`,
      value: quantile(all, 0.5),
      unit: 'ms',
      others,
    });
    add({
      case: `change to all ${size} agents, p99`,
      value: quantile(all, 0.99),
      unit: 'ms',
      others,
    });
  }
  // Without what they take while nothing changes.
  const each = (group: keyof typeof cpu) =>
    Math.max(0, cpu[group] - (rest.cpu[group] * ms) / rest.ms) / CHANGES;
  const change = `a change, ${size} agents`;
  const total = each('members') + each('agent') + each('controller') + each('inMemory');
  add({ case: `${change}: CPU of the members`, value: each('members'), unit: 'ms' });
  add({ case: `${change}: CPU of the controller`, value: each('controller'), unit: 'ms' });
  add({ case: `${change}: CPU of an agent`, value: each('agent'), unit: 'ms' });
  add({ case: `${change}: CPU of all`, value: total, unit: 'ms' });
}

/** Agents of both kinds, and when each of them had which change. */
class ChangedFleet {
  readonly #client: EtcdClient;
  readonly #kernels: readonly AgentProcess[];
  readonly #workers: WorkerProcess[] = [];
  readonly #sent = new Map<number, number>();
  #reached: Reached[] = [];
  #changes = 0;
  size: number;

  constructor(client: EtcdClient, kernels: readonly AgentProcess[]) {
    this.#client = client;
    this.#kernels = kernels;
    this.size = kernels.length;
  }

  takeIn(agents: WorkerProcess, count: number): void {
    this.#workers.push(agents);
    this.size += count;
    agents.on('reached', (data) => this.#reached.push(data as Reached));
  }

  /** The processes, by what they are: one of those with a kernel is the controller of the pool. */
  async groups() {
    const key = new Keys(this.#client.prefix).controller('web');
    const found = await this.#client.kv.get(key);
    const name = found && readValue(controllerValue, key, found.value).agent;
    return {
      controller: this.#kernels.filter((agent) => agent.name === name),
      agent: this.#kernels.filter((agent) => agent.name !== name),
      inMemory: this.#workers,
    };
  }

  /** Changes the weight of a server, and waits until the tables of all agents have that. */
  async change(): Promise<void> {
    const keys = new Keys(this.#client.prefix);
    const at = this.#changes++;
    const value = {
      address: `10.0.1.${(at % 100) + 1}`,
      weight: 50 + (at % 100) + Math.floor(at / 100),
    };
    const success = [put(keys.server('web', `static-${at % 100}`), JSON.stringify(value))];
    const sentAt = now();
    const options = { what: 'change', repeatable: true };
    const changed = transaction(keys, 'bench', { success });
    const { revision } = await this.#client.kv.txn(changed, options);
    this.#sent.set(revision, sentAt);
    await until('all tables have it', () => {
      const inMemory = this.#reached.filter((each) => each.revision === revision);
      const ready = inMemory.length === this.#workers.length;
      return ready && this.#kernels.every((agent) => agent.applied().has(revision));
    });
  }

  /** What came so far is not measured. */
  forget(): void {
    this.#sent.clear();
    this.#reached = [];
  }

  /** Milliseconds from just before a transaction was sent until tables had it. */
  latencies(): { inKernel: number[]; all: number[] } {
    const after = (revision: number, at: number) => {
      const from = this.#sent.get(revision);
      return from === undefined ? [] : [at - from];
    };
    const inKernel = this.#kernels.flatMap((agent) =>
      [...agent.applied()].flatMap(([revision, at]) => after(revision, at)),
    );
    const inMemory = this.#reached.flatMap(({ revision, at }) =>
      at.flatMap((each) => after(revision, each)),
    );
    return { inKernel, all: [...inKernel, ...inMemory] };
  }
}
