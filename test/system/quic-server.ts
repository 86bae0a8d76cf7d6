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
  /** Path of the list of CIDs that it gives out; with it the server answers probers. */
  readonly witness?: string;
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
    const { tls, body, cids, witness } = this.#options;
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
        ...(witness === undefined ? [] : ['--name', this.host.name, '--witness', witness]),
      ],
      log: this.#scope.path('logs', `${this.host.name}-server.log`),
    });
    await this.#process.ready();
  }

  async kill(): Promise<void> {
    this.#process?.signal('SIGKILL');
    await this.#process?.exited;
  }

  /** Stops the process, or lets it go on. */
  pause(paused: boolean): void {
    this.#process?.signal(paused ? 'SIGSTOP' : 'SIGCONT');
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  statistics(): Promise<ServerStatistics> {
    return this.#call('statistics');
  }

  /** The routable CIDs that clients can still send to, in hex. */
  heldCids(): Promise<string[]> {
    return this.#call('heldCids');
  }

  /** CIDs of packets that came to it although another server gave them out, in hex. */
  foreign(): Promise<string[]> {
    return this.#call('foreign');
  }

  #call<T>(method: string): Promise<T> {
    if (this.#process === undefined) throw new Error(`${this.host.name} was not started`);
    return this.#process.call(method);
  }
}
