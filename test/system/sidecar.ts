// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from 'node:fs';
import type { WorkerProcess } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';
import type { Host } from '../netns/topology.js';

/** Prefixes of the balancers' own addresses, from which tunnels come. */
const TUNNEL_SOURCES = '10.2.0.0/16,2001:db8:2::/48';

export interface SidecarOptions {
  /** Whether it attaches the decapsulating program. */
  readonly decapsulates: boolean;
  readonly reissueSeconds: number;
  /** Seconds for which a server that is cut off uses the CIDs it has. */
  readonly cidLifetimeSeconds: number;
  /** Further flags. */
  readonly more?: readonly string[];
}

/**
 * The sidecar of one host, which issues CIDs and unwraps what balancers send. Its QUIC server
 * waits for it (CidPool.ready), and so shows when it is ready.
 */
export class Sidecar {
  readonly host: Host;
  readonly socket: string;
  readonly #scope: Scope;
  readonly #registry: string;
  readonly #stateFolder: string;
  readonly #options: SidecarOptions;
  #process: WorkerProcess | undefined;
  #started = false;

  /** @param registry path or address of the registry */
  constructor(scope: Scope, host: Host, registry: string, options: SidecarOptions) {
    this.#scope = scope;
    this.#options = options;
    this.host = host;
    this.#registry = registry;
    this.socket = scope.path(host.name, 'sidecar.sock');
    this.#stateFolder = scope.path(host.name, 'state');
    mkdirSync(this.#stateFolder, { mode: 0o700 });
  }

  start(): void {
    this.#process = this.#scope.start({
      title: `cid-sidecar of ${this.host.name}`,
      namespace: this.host.namespace,
      entry: 'sidecar/main',
      args: [
        ...['--registry', this.#registry, '--server', this.host.name],
        ...['--state-dir', this.#stateFolder, '--socket', this.socket],
        ...['--reissue-within', String(this.#options.reissueSeconds)],
        ...['--cid-lifetime', String(this.#options.cidLifetimeSeconds)],
        ...(this.#options.decapsulates ? this.#decapsulation() : []),
        ...(this.#options.more ?? []),
        ...(this.#started ? [] : ['--init']),
      ],
      log: this.#scope.path('logs', `${this.host.name}-sidecar.log`),
    });
    this.#started = true;
  }

  /** Flags for a pinned program, so that packets arrive while no sidecar runs. */
  #decapsulation(): string[] {
    const pin = `${this.#scope.pinFolder(this.host.name)}/decap`;
    return ['--decap-interface', 'eth0', '--decap-sources', TUNNEL_SOURCES, '--decap-pin', pin];
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error('the sidecar is not running');
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** Ends it as an operator does. */
  async stop(): Promise<void> {
    this.#process?.signal('SIGTERM');
    await this.#process?.exited;
  }

  /** Ends it like a crash. */
  async kill(): Promise<void> {
    this.#process?.signal('SIGKILL');
    await this.#process?.exited;
  }
}
