// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import type { Scope } from '../netns/scope.js';
import { type Host, Topology } from '../netns/topology.js';
import { Agent } from '../system/agent.js';
import { Clients, TARGET4, TARGET6 } from '../system/clients.js';
import { passObject } from '../system/decap.js';
import { QuicServerProcess } from '../system/quic-server.js';
import { Sidecar } from '../system/sidecar.js';
import { makeCertificate, type TlsPaths } from '../system/tls.js';
import { FleetRegistry, POOL } from './fleet-registry.js';
import type { Screen } from './screen.js';

export const FLEET_STEPS = ['rebind', 'added', 'drained', 'removed', 'rotation'] as const;
export type FleetStep = (typeof FLEET_STEPS)[number];

export interface FleetResult {
  /** Connections at the beginning, each after a handshake and an echo. */
  readonly connections: number;
  /**
   * How many connections live after each step; after the rotation, how many live with a CID of
   * the new config.
   */
  readonly survived: Readonly<Record<FleetStep, number>>;
}

const REBINDS = 2;
const TIMEOUT_MS = 3000;
const PARALLEL = 50;
const TRAFFIC_PAUSE_MS = 250;
const TRAFFIC_LIMIT_MS = 10_000;
const REISSUE_SECONDS = 2;
const CID_LIFETIME_SECONDS = 60;
const LEASE_TTL = ['--lease-ttl', '5'];
/** Seconds without a packet after which the drained server is taken away. */
const QUIET = '5';

/** A server host, with all that runs on it. */
interface ServerHost {
  readonly host: Host;
  readonly sidecar: Sidecar;
  readonly server: QuicServerProcess;
}

/** A fleet whose hosts share a registry in etcd, over the days that it has. */
export async function runFleetScenario(
  scope: Scope,
  connections: number,
  screen: Screen,
): Promise<FleetResult> {
  screen.activity('starting network namespaces ...');
  const topology = await Topology.build(scope, {
    ...{ balancers: 2, servers: 4 },
    passObject: passObject(),
  });
  screen.activity('starting etcd ...');
  const registry = await FleetRegistry.start(scope, topology);
  try {
    return await new FleetDemo(scope, topology, registry, connections, screen).run();
  } finally {
    await registry.dispose();
  }
}

class FleetDemo {
  readonly #scope: Scope;
  readonly #topology: Topology;
  readonly #registry: FleetRegistry;
  readonly #connections: number;
  readonly #screen: Screen;

  constructor(
    scope: Scope,
    topology: Topology,
    registry: FleetRegistry,
    connections: number,
    screen: Screen,
  ) {
    this.#scope = scope;
    this.#topology = topology;
    this.#registry = registry;
    this.#connections = connections;
    this.#screen = screen;
  }

  async run(): Promise<FleetResult> {
    const screen = this.#screen;
    const registry = this.#registry;
    screen.activity('starting balancers ...');
    await Promise.all(this.#topology.balancers.map((host) => this.#startAgent(host)));
    const tls = await makeCertificate(this.#scope);
    writeFileSync(this.#scope.path('body'), '');
    const hosts = this.#topology.servers.map((host) => this.#serverHost(host, tls));
    const [first, ...others] = hosts;
    const last = others.pop();
    if (first === undefined || last === undefined) throw new Error('four servers are needed');
    screen.activity('starting servers, which register and get IDs ...');
    await this.#join([first, ...others]);
    await this.#show('servers');
    const clients = await Clients.start(this.#scope, this.#topology);
    await this.#open(clients, 'handshake and echo');

    const rebind = await this.#step(clients, `${REBINDS} NAT rebinds each`, () =>
      clients.rebind(REBINDS),
    );
    const added = await this.#underTraffic(clients, `${last.host.name} is added`, async () => {
      await this.#join([last]);
    });
    const name = first.host.name;
    const drained = await this.#underTraffic(clients, `${name} is drained`, async () => {
      await registry.cidctl('drain', name);
    });
    // In their own time clients end, and come again: then to the other servers.
    const back = await this.#open(clients, 'clients end, and come again');
    screen.activity(`waiting until nothing goes to ${name} ...`);
    this.#note(await registry.cidctl('drain', name, '--wait', '--quiet', QUIET));
    const removed = await this.#underTraffic(clients, `${name} is removed`, async () => {
      await registry.cidctl('down', name);
      await first.sidecar.stop();
      await first.server.kill();
      await registry.until(`${name} is gone`, (servers) => {
        return servers.every(({ server, state }) => server !== name || state === null);
      });
    });
    await this.#show('servers');
    await this.#underTraffic(clients, 'rotation to another key', async () => {
      await registry.cidctl('rotate', POOL);
    });
    const rotation = await movedTo(clients, await this.#mintingConfig());
    await this.#show('configs');
    await this.#show('events');
    for (const loss of await clients.losses()) screen.note(`lost, say the clients: ${loss}`);
    return {
      connections: this.#connections,
      survived: { rebind, added, drained: Math.min(drained, back), removed, rotation },
    };
  }

  async #startAgent(host: Host): Promise<void> {
    const { address, secret } = this.#registry;
    const agent = new Agent(this.#scope, host, address);
    await agent.start('--agent', host.name, '--cluster-secret', secret, ...LEASE_TTL);
  }

  #serverHost(host: Host, tls: TlsPaths): ServerHost {
    const { address, secret } = this.#registry;
    const sidecar = new Sidecar(this.#scope, host, address, {
      decapsulates: true,
      reissueSeconds: REISSUE_SECONDS,
      cidLifetimeSeconds: CID_LIFETIME_SECONDS,
      more: [
        ...['--pool', POOL, '--address', host.address4, '--cluster-secret', secret],
        ...['--deregister-on-stop', ...LEASE_TTL],
      ],
    });
    const body = this.#scope.path('body');
    const cids = { sidecar: sidecar.socket };
    return { host, sidecar, server: new QuicServerProcess(this.#scope, host, { tls, body, cids }) };
  }

  /** Starts servers, and waits until all balancers know their IDs and they issue by them. */
  async #join(hosts: readonly ServerHost[]): Promise<void> {
    for (const { sidecar } of hosts) sidecar.start();
    const names = hosts.map(({ host }) => host.name);
    await this.#registry.until(`${names.join()} issue`, (servers) =>
      names.every((name) =>
        servers.some(({ server, issuing }) => server === name && issuing !== null),
      ),
    );
    await Promise.all(hosts.map(({ server }) => server.start()));
  }

  async #open(clients: Clients, label: string): Promise<number> {
    await clients.configure({
      ...{ targets: [TARGET4, TARGET6], timeoutMs: TIMEOUT_MS, parallel: PARALLEL },
    });
    return this.#step(clients, label, () => clients.open(this.#connections));
  }

  async #step(clients: Clients, label: string, action: () => Promise<number>): Promise<number> {
    const screen = this.#screen;
    const total = this.#connections;
    clients.onProgress(({ done, total: of, alive }) => screen.progress(label, done, of, alive));
    const alive = await action();
    screen.result(label, alive, total);
    return alive;
  }

  /** Does something while all connections have traffic, before and after it too. */
  #underTraffic(clients: Clients, label: string, action: () => Promise<void>): Promise<number> {
    return this.#step(clients, label, async () => {
      this.#screen.activity(`${label} ...`);
      await clients.startTraffic(TRAFFIC_PAUSE_MS);
      await clients.awaitEchoes(this.#connections, TRAFFIC_LIMIT_MS);
      await action();
      await clients.awaitEchoes(2 * this.#connections, TRAFFIC_LIMIT_MS);
      await clients.stopTraffic();
      return clients.echo();
    });
  }

  async #show(what: string): Promise<void> {
    this.#screen.note(`cidctl ${what}`);
    this.#note(await this.#registry.cidctl(what));
  }

  #note(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.#screen.note(`  ${line}`);
  }

  async #mintingConfig(): Promise<number> {
    const { configs } = JSON.parse(await this.#registry.cidctl('configs', '--json'));
    return configs.find(({ state }: { state: string }) => state === 'minting').config;
  }
}

/** How many live connections send to a CID of this config: its ID is the first three bits. */
async function movedTo(clients: Clients, config: number): Promise<number> {
  const cids = await clients.destinationCids();
  return cids.filter((cid) => Number.parseInt(cid.slice(0, 2), 16) >> 5 === config).length;
}
