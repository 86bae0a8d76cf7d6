// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EtcdClient } from '../../registry/etcd/index.js';
import { Members } from '../../test/etcd/members.js';
import { WorkerProcess } from '../../test/netns/process.js';
import { AgentProcess } from './agent-process.js';
import type { AgentsOptions } from './agents.js';

/** Seconds of a lease, as the daemons have by default. */
export const TTL = 10;

/** Interfaces of the agents that have a kernel: each of them takes one. */
export const INTERFACES = 7;

/** Three members of etcd, and the processes of fleets on them. */
export class FleetWorld {
  readonly members: Members;
  readonly folder: string;
  readonly #pinFolder: string;
  readonly #running = new Set<{ stop(): Promise<unknown> }>();
  readonly #clients: EtcdClient[] = [];
  #interfaces = 0;
  #workers = 0;

  private constructor(members: Members, pinFolder: string, folder: string) {
    this.members = members;
    this.#pinFolder = pinFolder;
    this.folder = folder;
  }

  static async start(pinFolder: string, folder: string): Promise<FleetWorld> {
    mkdirSync(folder, { recursive: true });
    // Pings of 24 hosts in one process that waits for a CPU come in bunches, for which etcd would
    // end their connections.
    const flags = ['--grpc-keepalive-min-time=1s'];
    return new FleetWorld(await Members.start({ count: 3, flags }), pinFolder, folder);
  }

  /** Closed with the world. */
  client(prefix: string): EtcdClient {
    const client = new EtcdClient(this.members.endpoints, prefix);
    this.#clients.push(client);
    return client;
  }

  /** Agents that are processes of their own, with a kernel; they are not awaited. */
  kernels(prefix: string, count: number): AgentProcess[] {
    return Array.from({ length: count }, () => {
      const at = this.#interfaces++;
      const agent = new AgentProcess({
        agent: `lb-${at}`,
        registry: `${this.members.address}${prefix}`,
        interface: `eth${at}`,
        pinDir: join(this.#pinFolder, `lb-${at}`),
        folder: this.folder,
        ttl: TTL,
      });
      this.#running.add(agent);
      return agent;
    });
  }

  /** Agents whose balancer are tables in memory, all in one process; they have joined. */
  async inMemory(prefix: string, count: number): Promise<WorkerProcess> {
    const at = this.#workers++;
    const agents = await this.worker('agents', `agents-${at}`);
    const names = Array.from({ length: count }, (_, i) => `memory-${at}-${i}`);
    const { folder } = this;
    const { endpoints } = this.members;
    await agents.call('start', {
      endpoints,
      prefix,
      names,
      folder,
      ttl: TTL,
    } satisfies AgentsOptions);
    return agents;
  }

  /** A program of this folder, which has started. */
  async worker(program: string, title: string): Promise<WorkerProcess> {
    const log = join(this.folder, `${title}.log`);
    const worker = new WorkerProcess({ title, entry: `bench/fleet/${program}`, log });
    this.#running.add(worker);
    await worker.ready();
    return worker;
  }

  /** Ends all processes but the members: the next part begins with none. */
  async clear(): Promise<void> {
    await Promise.all([...this.#running].map((each) => each.stop()));
    this.#running.clear();
    for (const client of this.#clients.splice(0)) client.close();
  }

  async dispose(): Promise<void> {
    await this.clear();
    await this.members.dispose();
  }
}
