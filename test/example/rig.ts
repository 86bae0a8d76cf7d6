// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { EchoServer } from '../../examples/quic-server/server.js';
import { Scope } from '../netns/scope.js';
import { quicheConfig } from '../quic/quiche.js';
import { makeCertificate } from '../system/tls.js';
import { Client } from './clients.js';
import { ScriptedPool } from './scripted-pool.js';

/** The example server in this process, with a pool that does what the test tells it. */
export class Rig {
  readonly pool = new ScriptedPool();
  readonly server: EchoServer;
  readonly #scope: Scope;
  readonly #clients: Client[] = [];

  private constructor(server: (pool: ScriptedPool) => EchoServer, scope: Scope) {
    this.server = server(this.pool);
    this.#scope = scope;
  }

  static async start(options: { readonly idleMs?: number } = {}): Promise<Rig> {
    const scope = new Scope('cdexample');
    const paths = await makeCertificate(scope);
    const [certificate, privateKey] = [paths.certificate, paths.privateKey].map((path) =>
      readFileSync(path),
    ) as [Buffer, Buffer];
    const config = quicheConfig({ certificate, privateKey });
    if (options.idleMs !== undefined) config.setMaxIdleTimeout(options.idleMs);
    const any = { host: '127.0.0.1', port: 0 };
    const rig = new Rig((pool) => new EchoServer(pool, config, any), scope);
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
