// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { Member } from '../etcd/member.js';
import { inNamespace, run } from '../netns/command.js';
import { nodeArgv } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';
import { type Topology, VIP_PORT, VIP4, VIP6 } from '../netns/topology.js';

/** The router's own address, which every host reaches. */
const ADDRESS = '10.1.0.1';
const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
export const POOL = 'web';
/** Milliseconds that a step of the fleet may take. */
const LIMIT_MS = 60_000;

/** A server, as `cidctl servers --json` has it. */
export interface ListedServer {
  readonly server: string;
  readonly state: string | null;
  readonly issuing: number | null;
  readonly ids: Readonly<Record<string, number>>;
}

/** etcd with one member on the router, and cidctl beside it. */
export class FleetRegistry {
  /** For `--registry`. */
  readonly address = `etcd://${ADDRESS}:${CLIENT_PORT}`;
  /** Path of the cluster secret. */
  readonly secret: string;
  readonly #scope: Scope;
  readonly #namespace: string;
  readonly #member: Member;

  /** Starts etcd and applies a document: one pool, whose servers register themselves. */
  static async start(scope: Scope, topology: Topology): Promise<FleetRegistry> {
    const registry = new FleetRegistry(scope, topology);
    registry.#member.start();
    try {
      await registry.#apply();
    } catch (error) {
      throw new Error(`${String(error)}\n${registry.#member.tail()}`);
    }
    return registry;
  }

  private constructor(scope: Scope, { router }: Topology) {
    this.#scope = scope;
    this.#namespace = router;
    this.secret = scope.path('cluster-secret');
    const folder = scope.path('etcd');
    mkdirSync(folder, { mode: 0o700 });
    const place = {
      ...{ name: 'm1', address: ADDRESS, clientPort: CLIENT_PORT, peerPort: PEER_PORT },
      ...{ namespace: router, folder },
    };
    this.#member = new Member(place, `m1=http://${ADDRESS}:${PEER_PORT}`, {});
  }

  /** Runs a command on the router; returns what it printed. */
  cidctl(...args: string[]): Promise<string> {
    const registry = ['--registry', this.address, '--cluster-secret', this.secret];
    return this.#run([...args, ...registry]);
  }

  async servers(): Promise<readonly ListedServer[]> {
    return JSON.parse(await this.cidctl('servers', '--json')).servers;
  }

  /** Waits until the servers are as they should be. */
  async until(what: string, holds: (servers: readonly ListedServer[]) => boolean): Promise<void> {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const servers = await this.servers();
      if (holds(servers)) return;
      if (Date.now() > end) {
        const text = await this.cidctl('servers');
        throw new Error(`in vain it was waited until ${what}:\n${text}`);
      }
      await pause(200);
    }
  }

  async dispose(): Promise<void> {
    await this.#member.kill();
  }

  async #apply(): Promise<void> {
    const key = this.#scope.path('web-0.key');
    await this.#run(['keygen', '--cluster-secret', this.secret]);
    await this.#run(['keygen', key]);
    const document = this.#scope.path('registry.yaml');
    const pool = {
      vips: [VIP4, VIP6].map((address) => ({ address, port: VIP_PORT, protocol: 'udp' })),
      configs: [
        {
          ...{ id: 0, scheme: 'quic-lb', serverIdLength: 3, nonceLength: 8 },
          ...{ keyFile: 'web-0.key', state: 'minting' },
        },
      ],
      allocation: { idsPerServer: 1, connectionAge: 600 },
    };
    writeFileSync(document, stringify({ pools: { [POOL]: pool } }));
    await this.cidctl('apply', document);
  }

  #run(args: readonly string[]): Promise<string> {
    return run(inNamespace(this.#namespace, [...nodeArgv('cidctl/main'), ...args]));
  }
}
