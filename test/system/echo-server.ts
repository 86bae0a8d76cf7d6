// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Exit, WorkerProcess } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';
import { type Host, VIP_PORT, VIP4, VIP6 } from '../netns/topology.js';
import type { HostServer, ServerPlace } from './system.js';

const START_LIMIT_MS = 90_000;
const ANSWER_LIMIT_MS = 30_000;
const END_LIMIT_MS = 10_000;

const count = z.number().int().nonnegative();
const statistics = z.object({
  open: count,
  accepted: count,
  moved: count,
  closed_for_reissue: count,
  taken: count,
  dry: count,
  connected: z.boolean(),
});
/** What an echo server says of itself; clients/contract/README.md has the fields. */
export type EchoStatistics = z.infer<typeof statistics>;

export interface EchoServerOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** Where it runs. */
  readonly folder: string;
  /** Default: the port of the VIPs. */
  readonly port?: number;
  /** The server-use octets of its CIDs, in hexadecimal. */
  readonly serverUse: string;
}

/** An echo server of any language, on the VIPs of its host. */
export class EchoServerProcess implements HostServer {
  readonly host: Host;
  readonly #scope: Scope;
  readonly #place: ServerPlace;
  readonly #options: EchoServerOptions;
  #process: WorkerProcess | undefined;
  /** What it wrote and nobody has looked at, by the name of the event. */
  readonly #said = new Map<string, unknown>();

  constructor(scope: Scope, place: ServerPlace, options: EchoServerOptions) {
    this.host = place.host;
    this.#scope = scope;
    this.#place = place;
    this.#options = options;
  }

  get title(): string {
    return `echo server ${this.#options.serverUse} of ${this.host.name}`;
  }

  /** Another process of the same server. */
  successor(options: Pick<EchoServerOptions, 'port' | 'serverUse'>): EchoServerProcess {
    return new EchoServerProcess(this.#scope, this.#place, { ...this.#options, ...options });
  }

  async start(): Promise<void> {
    const { command, folder, port = VIP_PORT, serverUse } = this.#options;
    const { host, tls, sidecar } = this.#place;
    if (sidecar === undefined) throw new Error(`${this.title} needs a sidecar`);
    this.#process = this.#scope.start({
      title: this.title,
      namespace: host.namespace,
      argv: command,
      args: [
        ...['--listen', `${VIP4}:${port}`, '--listen', `[${VIP6}]:${port}`],
        ...['--sidecar', sidecar, '--server-use', serverUse],
        ...['--certificate', tls.certificate, '--private-key', tls.privateKey],
      ],
      cwd: folder,
      log: this.#scope.path('logs', `${host.name}-server-${serverUse}.log`),
      onLine: (line) => this.#take(line),
    });
    await this.#heard('listening', START_LIMIT_MS);
  }

  async statistics(): Promise<EchoStatistics> {
    this.#said.delete('statistics');
    this.#process?.write('statistics');
    return statistics.parse(await this.#heard('statistics', ANSWER_LIMIT_MS));
  }

  /** Ends it as an operator does. */
  async terminate(): Promise<Exit> {
    if (this.#process === undefined) throw new Error(`${this.title} was not started`);
    return this.#process.stop(END_LIMIT_MS);
  }

  /** Ends it like a crash. */
  async kill(): Promise<void> {
    this.#process?.signal('SIGKILL');
    await this.#process?.exited;
  }

  /** The last lines that it wrote. */
  tail(): string {
    return this.#process?.tail() ?? '';
  }

  #take(line: string): void {
    try {
      const said: unknown = JSON.parse(line);
      if (said instanceof Object && 'event' in said) this.#said.set(String(said.event), said);
    } catch {
      // Other lines are for people; the log has them.
    }
  }

  async #heard(event: string, withinMs: number): Promise<unknown> {
    const end = Date.now() + withinMs;
    for (;;) {
      const said = this.#said.get(event);
      if (said !== undefined) return said;
      if (this.#process?.running !== true || Date.now() > end) {
        throw new Error(`${this.title} did not say "${event}":\n${this.tail()}`);
      }
      await sleep(10);
    }
  }
}
