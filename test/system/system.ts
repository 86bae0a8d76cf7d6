// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import type { Scope } from '../netns/scope.js';
import { type Host, Topology } from '../netns/topology.js';
import type { ServerStatistics } from '../quic/server.js';
import { Agent } from './agent.js';
import { Clients } from './clients.js';
import { attachDecap, passObject } from './decap.js';
import { type DocumentConfig, SystemDocument } from './document.js';
import { QuicServerProcess } from './quic-server.js';
import { Sidecar } from './sidecar.js';
import { makeCertificate, type TlsPaths } from './tls.js';

export interface SystemOptions {
  readonly balancers: number;
  readonly servers: number;
  /**
   * The configs of the servers' CIDs. Without one, servers make random CIDs and the balancers read
   * no CID: they route by 4-tuple, like any layer 4 balancer.
   */
  readonly configs: readonly DocumentConfig[];
  /** Octets of random CIDs, if there is no config. */
  readonly randomCidLength?: number;
  /** Family of the servers' own addresses, and so of the outer header. Default: 4. */
  readonly tunnelFamily?: 4 | 6;
  /** Seconds in which live connections must be reissued in a rotation. Default: 2. */
  readonly reissueSeconds?: number;
  /** Seconds for which a server without its sidecar uses the CIDs it has. Default: 60. */
  readonly cidLifetimeSeconds?: number;
  /** Further flags of the sidecars. */
  readonly sidecarFlags?: readonly string[];
  /** How reset tokens are made; `cmac` if left out. */
  readonly resetTokens?: 'cmac' | 'hmac-sha256';
  /** The answer to HTTP/3 requests. */
  readonly body?: Uint8Array;
  /** How balancers check the servers; they do not if left out. */
  readonly health?: object;
  /** Called with the name of what is started next. */
  readonly onStep?: (what: string) => void;
}

/** The process of a QUIC server on its host. */
export interface HostServer {
  readonly host: Host;
  /** Resolves when it listens on the VIPs and has CIDs. */
  start(): Promise<void>;
}

/** Where the server of a host finds what it needs. */
export interface ServerPlace {
  readonly host: Host;
  readonly tls: TlsPaths;
  /** The socket of its sidecar; undefined where there is none. */
  readonly sidecar: string | undefined;
}

const REISSUE_SECONDS = 2;
const CID_LIFETIME_SECONDS = 60;

/** The whole system in namespaces. Every part is the program that an operator would run. */
export class System<S extends HostServer = QuicServerProcess> {
  readonly topology: Topology;
  readonly document: SystemDocument;
  readonly agents: readonly Agent[];
  readonly servers: readonly S[];
  readonly sidecars: readonly Sidecar[];
  readonly clients: Clients;

  private constructor(parts: Omit<System<S>, 'statistics'>) {
    this.topology = parts.topology;
    this.document = parts.document;
    this.agents = parts.agents;
    this.servers = parts.servers;
    this.sidecars = parts.sidecars;
    this.clients = parts.clients;
  }

  /** Starts it with the QUIC server of the tests on each host. */
  static start(scope: Scope, options: SystemOptions): Promise<System> {
    const body = scope.path('body');
    writeFileSync(body, options.body ?? '');
    return System.startWith(scope, options, ({ host, tls, sidecar }) => {
      const cids =
        sidecar === undefined ? { randomLength: options.randomCidLength ?? 8 } : { sidecar };
      return new QuicServerProcess(scope, host, { tls, body, cids });
    });
  }

  /** @param serverOf makes the server of a host, which is then started */
  static async startWith<S extends HostServer>(
    scope: Scope,
    options: SystemOptions,
    serverOf: (place: ServerPlace) => S,
  ): Promise<System<S>> {
    const step = options.onStep ?? (() => undefined);
    step('network namespaces');
    const topology = await Topology.build(scope, {
      balancers: options.balancers,
      servers: options.servers,
      ...(options.balancers > 0 ? { passObject: passObject() } : {}),
    });
    const hosts = topology.servers.map(({ name, address4, address6 }) => ({
      name,
      address: options.tunnelFamily === 6 ? address6 : address4,
      ...(options.resetTokens === undefined ? {} : { resetTokens: options.resetTokens }),
    }));
    const document = new SystemDocument(
      scope.path('registry.yaml'),
      hosts,
      options.configs,
      options.health,
    );

    const sidecars =
      options.configs.length > 0
        ? topology.servers.map((host) => {
            return new Sidecar(scope, host, document.path, {
              decapsulates: options.balancers > 0,
              reissueSeconds: options.reissueSeconds ?? REISSUE_SECONDS,
              cidLifetimeSeconds: options.cidLifetimeSeconds ?? CID_LIFETIME_SECONDS,
              more: options.sidecarFlags ?? [],
            });
          })
        : [];
    if (sidecars.length > 0) step('sidecars');
    else if (options.balancers > 0) await Promise.all(topology.servers.map(attachDecap));
    for (const sidecar of sidecars) sidecar.start();

    step('QUIC servers');
    const tls = await makeCertificate(scope);
    const servers = topology.servers.map((host, index) =>
      serverOf({ host, tls, sidecar: sidecars[index]?.socket }),
    );
    await Promise.all(servers.map((server) => server.start()));

    step('balancers');
    const agents = topology.balancers.map((host) => new Agent(scope, host, document.path));
    await Promise.all(agents.map((agent) => agent.start()));

    step('clients');
    const clients = await Clients.start(scope, topology);
    return new System({ topology, document, agents, servers, sidecars, clients });
  }

  statistics(this: System): Promise<ServerStatistics[]> {
    return Promise.all(this.servers.map((server) => server.statistics()));
  }
}
