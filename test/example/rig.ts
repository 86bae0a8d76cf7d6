// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { EchoServer } from '../../examples/quic-server/server.js';
import { serverConfig } from '../../examples/quic-server/server-config.js';
import { Random } from '../fuzz/random.js';
import { Scope } from '../netns/scope.js';
import { makeCertificate } from '../system/tls.js';
import { Client } from './clients.js';
import { ScriptedPool } from './scripted-pool.js';

type ServerArguments = ConstructorParameters<typeof EchoServer>;

/** The example on a path that is not a perfect one. */
class FarServer extends EchoServer {
  readonly #path: RigOptions;
  readonly #random = new Random(20_260_101);
  #closed = false;

  constructor(path: RigOptions, ...rest: ServerArguments) {
    super(...rest);
    this.#path = path;
  }

  override send(...datagram: Parameters<EchoServer['send']>): void {
    const { loss = 0, delayMs = 0 } = this.#path;
    if (this.#random.below(1000) < 1000 * loss) return;
    if (delayMs === 0) super.send(...datagram);
    else setTimeout(() => this.#closed || super.send(...datagram), delayMs);
  }

  override close(): void {
    this.#closed = true;
    super.close();
  }
}

export interface RigOptions {
  readonly idleMs?: number;
  /** The active_connection_id_limit of the server; else the example's. */
  readonly limit?: number;
  /** The part of the server's datagrams that do not arrive, 0 to 1. */
  readonly loss?: number;
  /** Milliseconds for which the server's datagrams are under way. */
  readonly delayMs?: number;
}

/** The example server in this process, with a pool that does what the test tells it. */
export class Rig {
  readonly pool = new ScriptedPool();
  /** What the server has logged. */
  readonly log: string[] = [];
  readonly server: EchoServer;
  readonly #scope: Scope;
  readonly #clients: Client[] = [];

  private constructor(server: (rig: Rig) => EchoServer, scope: Scope) {
    this.server = server(this);
    this.#scope = scope;
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const scope = new Scope('cdexample');
    const paths = await makeCertificate(scope);
    const [certificate, privateKey] = [paths.certificate, paths.privateKey].map((path) =>
      readFileSync(path),
    ) as [Buffer, Buffer];
    const config = serverConfig(certificate, privateKey);
    if (options.idleMs !== undefined) config.setMaxIdleTimeout(options.idleMs);
    if (options.limit !== undefined) config.setActiveConnectionIdLimit(options.limit);
    const any = { host: '127.0.0.1', port: 0 };
    const rig = new Rig(
      ({ pool, log }) =>
        new FarServer(options, pool, config, any, (line) => log.push(line), options.limit),
      scope,
    );
    await rig.server.listen();
    return rig;
  }

  async open(limit: number): Promise<Client> {
    const client = await Client.open(this.server.address, limit);
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const { connection } of this.#clients) connection.close();
    this.server.close();
    await this.#scope.dispose();
  }
}
