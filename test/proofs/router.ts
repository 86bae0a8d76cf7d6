// SPDX-License-Identifier: Apache-2.0
import type { Topology } from '../netns/topology.js';
import type { AgentHost } from './hosts.js';

/** Milliseconds between looks at what the hosts say. */
const LOOK_EVERY = 250;

/**
 * The routing daemons of the balancer hosts, and the router: a host that withdraws itself gets no
 * packets. A host whose agent is dead withdraws too, some time later, and gets packets until then,
 * which its pinned program routes. The last host that is there is never withdrawn.
 */
export class Router {
  readonly #topology: Topology;
  readonly #hosts: readonly AgentHost[];
  readonly #patienceMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #announcedAt = new Map<string, number>();
  #present = '';
  #working: Promise<void> = Promise.resolve();
  #closed = false;
  #error: unknown;

  /** @param patienceMs milliseconds for which a host whose agent is dead gets packets */
  constructor(topology: Topology, hosts: readonly AgentHost[], patienceMs: number) {
    this.#topology = topology;
    this.#hosts = hosts;
    this.#patienceMs = patienceMs;
    this.#present = hosts.map(({ name }) => name).join();
    this.#timer = setInterval(() => this.look(), LOOK_EVERY).unref();
  }

  /** The names of those that get packets. */
  get announced(): readonly string[] {
    return this.#present.split(',');
  }

  /** Goes by what the hosts say now. */
  look(): Promise<void> {
    this.#working = this.#working.then(() => this.#look());
    return this.#working;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#working;
    if (this.#error !== undefined) throw this.#error;
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    const now = performance.now();
    for (const host of this.#hosts) {
      if (host.announces) this.#announcedAt.set(host.name, now);
    }
    const wanted = this.#hosts.filter((host) => {
      if (host.agent.running) return host.announces;
      return (
        now - (this.#announcedAt.get(host.name) ?? Number.NEGATIVE_INFINITY) < this.#patienceMs
      );
    });
    const names = wanted.map(({ name }) => name).join();
    if (wanted.length === 0 || names === this.#present) return;
    try {
      await this.#topology.announce(wanted.map(({ host }) => host));
      this.#present = names;
    } catch (error) {
      this.#error ??= error;
    }
  }
}
