// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { EtcdNetwork } from '../etcd/network.js';
import { until } from '../etcd/until.js';
import type { Scope } from '../netns/scope.js';
import { type Host, Topology } from '../netns/topology.js';
import { Clients, TARGET4, TARGET6 } from '../system/clients.js';
import { passObject } from '../system/decap.js';
import { makeCertificate } from '../system/tls.js';
import { agentHost, applyDocument, serverHost } from './fleet-parts.js';
import type { AgentHost, LinkToEtcd, ServerHost } from './hosts.js';
import { Operator, PATIENCE_MS } from './operator.js';
import { Router } from './router.js';
import { Witnesses } from './witnesses.js';

export interface ProvingFleetOptions {
  readonly balancers: number;
  readonly servers: number;
  /** Members of etcd. */
  readonly members: number;
  /** Draws from 0 up to but without 1. */
  readonly random: () => number;
  /** Says what is done, for people. */
  readonly say: (text: string) => void;
}

/** Milliseconds for which a balancer host without an agent gets packets. */
const DEAD_MS = 8_000;
/** Milliseconds after which a client takes a connection for lost: longer than any machine dawdles. */
const TIMEOUT_MS = 45_000;
const PARALLEL = 20;
/** Tests with the default net may run at the same time. */
const ETCD_NET = 73;
const TRAFFIC_PAUSE_MS = 250;
/** The active_connection_id_limit of the clients: 2 to 24. */
const CID_LIMITS = Array.from({ length: 23 }, (_, i) => i + 2);
/** The config ID of CIDs that no balancer reads. */
const FAILOVER = 7;
/** CIDs that one look tries. */
const LOOK_AT = 120;

/**
 * A whole fleet for a proof: etcd, agents, sidecars and QUIC servers are the real programs, on
 * hosts of their own whose links to etcd can be cut; clients have traffic all the time.
 */
export class ProvingFleet {
  readonly topology: Topology;
  readonly network: EtcdNetwork;
  readonly operator: Operator;
  readonly agents: readonly AgentHost[];
  readonly servers: readonly ServerHost[];
  readonly clients: Clients;
  readonly router: Router;
  readonly witnesses: Witnesses;
  readonly random: () => number;
  readonly say: (text: string) => void;
  readonly #wrong: string[] = [];
  #connections = 0;

  private constructor(parts: {
    readonly topology: Topology;
    readonly network: EtcdNetwork;
    readonly operator: Operator;
    readonly agents: readonly AgentHost[];
    readonly servers: readonly ServerHost[];
    readonly clients: Clients;
    readonly witnesses: Witnesses;
    readonly random: () => number;
    readonly say: (text: string) => void;
  }) {
    this.topology = parts.topology;
    this.network = parts.network;
    this.operator = parts.operator;
    this.agents = parts.agents;
    this.servers = parts.servers;
    this.clients = parts.clients;
    this.witnesses = parts.witnesses;
    this.random = parts.random;
    this.say = parts.say;
    this.router = new Router(parts.topology, parts.agents, DEAD_MS);
  }

  /** Starts all of it, with the first servers in the pool; `dispose()` ends etcd, the scope the rest. */
  static async build(scope: Scope, options: ProvingFleetOptions): Promise<ProvingFleet> {
    const { balancers, servers, members, random, say } = options;
    say('namespaces and etcd');
    const topology = await Topology.build(scope, { balancers, servers, passObject: passObject() });
    const network = await EtcdNetwork.build(scope, {
      count: members,
      first: ETCD_NET,
      flags: ['--grpc-keepalive-min-time=2s'],
    });
    try {
      const registry = await applyDocument(scope, network.members.address);
      const operator = new Operator(scope, registry.address, registry.secret);
      const tls = await makeCertificate(scope);
      writeFileSync(scope.path('body'), '');
      const links = new Map<string, LinkToEtcd>();
      for (const { name, namespace } of [...topology.balancers, ...topology.servers]) {
        links.set(name, await network.join(namespace));
      }
      const link = ({ name }: Host): LinkToEtcd => links.get(name) ?? (() => Promise.resolve());
      const fleet = new ProvingFleet({
        ...{ topology, network, operator, random, say },
        agents: topology.balancers.map((host) => agentHost(scope, host, registry, link(host))),
        servers: topology.servers.map((host) => serverHost(scope, host, registry, link(host), tls)),
        clients: await Clients.start(scope, topology),
        witnesses: await Witnesses.start(scope, topology, random),
      });
      say('agents');
      await Promise.all(fleet.agents.map((agent) => agent.start()));
      return fleet;
    } catch (error) {
      await network.members.dispose();
      throw error;
    }
  }

  /** How many connections there are meant to be. */
  get connections(): number {
    return this.#connections;
  }

  /** Starts servers, and waits until they issue. */
  async join(hosts: readonly ServerHost[]): Promise<void> {
    for (const host of hosts) host.sidecar.start();
    await this.operator.untilIssuing(hosts.map(({ name }) => name));
    await Promise.all(
      hosts.map(async (host) => {
        await host.server.start();
        host.isIn = true;
      }),
    );
  }

  /** Opens connections, whose limits are 2 to 24, and gives them traffic. */
  async open(count: number): Promise<void> {
    const { clients } = this;
    await clients.configure({
      ...{ targets: [TARGET4, TARGET6], timeoutMs: TIMEOUT_MS, parallel: PARALLEL },
      cidLimits: CID_LIMITS,
    });
    this.#connections = count;
    await this.#open();
    await clients.startTraffic(TRAFFIC_PAUSE_MS);
  }

  /**
   * The connections of a server end, as they do in their own time, and come again elsewhere. A
   * balancer that does not know yet that the server drains sends it new ones, for which operators
   * wait too (`cidctl drain --wait`): these end as well, until there are none.
   */
  async leave(host: ServerHost): Promise<void> {
    const { clients } = this;
    do {
      const gone = this.#connections - (await this.#end(host));
      this.say(`${gone} connections of ${host.name} end, and come again`);
      // The traffic of those that are opened begins with the next round of it.
      await clients.stopTraffic();
      await this.check();
      await this.#open();
      await clients.startTraffic(TRAFFIC_PAUSE_MS);
    } while ((await host.server.heldCids()).length > 0);
  }

  /** The QUIC server of a host is killed, whose connections end before, and started again. */
  async restartServer(host: ServerHost, deadMs: number): Promise<void> {
    const { clients } = this;
    await this.#end(host);
    await host.server.kill();
    await pause(deadMs);
    await host.server.start();
    await clients.stopTraffic();
    await this.check();
    await this.#open();
    await clients.startTraffic(TRAFFIC_PAUSE_MS);
  }

  /** Waits until every connection had an answer on average since now. */
  async traffic(): Promise<void> {
    const { clients } = this;
    const before = await clients.echoes();
    const { connections } = this;
    for (;;) {
      await this.#refuseLosses();
      const more = (await clients.echoes()) - before;
      if (more >= connections) return;
      await pause(50);
    }
  }

  /** Looks whether anything was lost, or is led to a wrong server. */
  async check(): Promise<void> {
    for (const wrong of await this.witnesses.look(this.servers, LOOK_AT)) this.#wrong.push(wrong);
    await this.#refuseLosses();
  }

  /** Looks again and again until something is over. */
  async checkUntil(done: Promise<void>): Promise<void> {
    let over = false;
    const end = done.finally(() => {
      over = true;
    });
    // What fails meanwhile is told by the await at the end, also where a look fails first.
    end.catch(() => undefined);
    while (!over) {
      await this.check();
      await pause(50);
    }
    await end;
  }

  /** The ID of the config to which connections send, and how many do. */
  async configsInUse(): Promise<Map<number, number>> {
    const counts = new Map<number, number>();
    for (const cid of await this.clients.destinationCids()) {
      const config = configOf(cid);
      counts.set(config, (counts.get(config) ?? 0) + 1);
    }
    return counts;
  }

  /** Every connection answers, and moves to another address with one of its spare CIDs. */
  async finish(): Promise<number> {
    const { clients } = this;
    await clients.stopTraffic();
    await clients.echo();
    await clients.migrate(1);
    const alive = await clients.rebind(1);
    await this.check();
    await clients.startTraffic(TRAFFIC_PAUSE_MS);
    return alive;
  }

  async dispose(): Promise<void> {
    await this.router.close();
    await this.network.members.dispose();
  }

  /** The connections of a server end. Returns how many there are elsewhere. */
  async #end({ name, server }: ServerHost): Promise<number> {
    let alive = this.#connections;
    // In a rotation a client may send to a CID that is newer than what was asked for.
    await until(
      `the connections of ${name} are over`,
      async () => {
        const held = await server.heldCids();
        alive = await this.clients.leave(held);
        return held.length === 0;
      },
      PATIENCE_MS,
    );
    return alive;
  }

  /** Opens what is missing. A connection whose server had no routable CID at hand is no subject. */
  async #open(): Promise<void> {
    const { clients } = this;
    let alive = await clients.leave([]);
    while (alive < this.#connections) {
      const opened = await clients.open(this.#connections - alive);
      const failover = (await clients.destinationCids()).filter(
        (cid) => configOf(cid) === FAILOVER,
      );
      alive = await clients.leave(failover);
      await this.#refuseLosses();
      if (opened === alive) return;
      this.say(`${opened - alive} connections got no routable CID, and come again`);
    }
  }

  async #refuseLosses(): Promise<void> {
    const lost = await this.clients.losses();
    const cids = lost.length === 0 ? [] : await this.clients.lostCids();
    const losses = lost.map((loss, index) => {
      const cid = cids[index] || undefined;
      if (cid === undefined) return `a connection was lost: ${loss}`;
      const giver = this.servers.find((each) => each.hasGiven(cid))?.name ?? 'nobody';
      return `a connection was lost: ${loss}; its packets went to CID ${cid} of ${giver}`;
    });
    const wrong = [...this.#wrong, ...losses];
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
  }
}

/** The config ID of a CID in hex: its first three bits. */
function configOf(cid: string): number {
  return Number.parseInt(cid.slice(0, 2), 16) >> 5;
}
