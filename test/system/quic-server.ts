// SPDX-License-Identifier: Apache-2.0
import type { WorkerProcess } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';
import { type Host, VIP_PORT, VIP4, VIP6 } from '../netns/topology.js';
import type { ServerStatistics } from '../quic/server.js';
import type { TlsPaths } from './tls.js';

export interface QuicServerOptions {
  readonly tls: TlsPaths;
  /** Path of the file that answers HTTP/3 requests. */
  readonly body: string;
  /** The socket of the sidecar, or the length of random CIDs in octets. */
  readonly cids: { readonly sidecar: string } | { readonly randomLength: number };
}

/** The QUIC server process of one host. To kill it is to lose all of its connections. */
export class QuicServerProcess {
  readonly host: Host;
  readonly #scope: Scope;
  readonly #options: QuicServerOptions;
  #process: WorkerProcess | undefined;

  constructor(scope: Scope, host: Host, options: QuicServerOptions) {
    this.#scope = scope;
    this.host = host;
    this.#options = options;
  }

  /** Resolves when it listens on the VIPs and has CIDs. */
  async start(): Promise<void> {
    const { tls, body, cids } = this.#options;
    this.#process = this.#scope.start({
      title: `QUIC server ${this.host.name}`,
      namespace: this.host.namespace,
      entry: 'test/quic/server-main',
      args: [
        ...[VIP4, VIP6].flatMap((address) => ['--address', address]),
        ...['--port', String(VIP_PORT), '--body', body],
        ...['--certificate', tls.certificate, '--private-key', tls.privateKey],
        ...('sidecar' in cids
          ? ['--sidecar', cids.sidecar]
          : ['--random-cids', String(cids.randomLength)]),
      ],
      log: this.#scope.path('logs', `${this.host.name}-server.log`),
    });
    await this.#process.ready();
  }

  async kill(): Promise<void> {
    this.#process?.signal('SIGKILL');
    await this.#process?.exited;
  }

  statistics(): Promise<ServerStatistics> {
    if (this.#process === undefined) throw new Error(`${this.host.name} was not started`);
    return this.#process.call('statistics');
  }
}
