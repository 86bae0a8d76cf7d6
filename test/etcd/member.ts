// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { inNamespace } from '../netns/command.js';

export interface MemberPlace {
  readonly name: string;
  /** IP address that clients reach it at. */
  readonly address: string;
  /** IP address that the other members reach it at. Default: the same. */
  readonly peerAddress?: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** A named network namespace. Default: that of this process. */
  readonly namespace?: string;
  /** Folder of its data, and its log beside it. */
  readonly folder: string;
}

/** PEM files of a member that takes TLS only, and certificates of its authority only. */
export interface MemberTls {
  readonly ca: string;
  readonly certificate: string;
  readonly privateKey: string;
}

export interface MemberOptions {
  /** The program; Debian's etcd, if left out. */
  readonly program?: string;
  readonly tls?: MemberTls;
  /** Octets of the database at which writes end. */
  readonly quotaOctets?: number;
  /** Further flags, such as `--auth-token-ttl=3`. */
  readonly flags?: readonly string[];
}

export function peerUrl({ address, peerAddress = address, peerPort }: MemberPlace): string {
  return `http://${peerAddress}:${peerPort}`;
}

/** One etcd process, which can be started again with its data. */
export class Member {
  readonly place: MemberPlace;
  readonly #argv: readonly string[];
  #child: ChildProcess | undefined;
  #killed = false;
  #failed = false;
  #exited: Promise<void> = Promise.resolve();

  /** @param cluster of all members, as for `--initial-cluster` */
  constructor(place: MemberPlace, cluster: string, options: MemberOptions) {
    this.place = place;
    const scheme = options.tls === undefined ? 'http' : 'https';
    const client = `${scheme}://${place.address}:${place.clientPort}`;
    const peer = peerUrl(place);
    const { tls, quotaOctets } = options;
    const argv = [
      // It ends with the process of the test, also where that is killed.
      ...['setpriv', '--pdeathsig', 'KILL', '--'],
      options.program ?? 'etcd',
      `--name=${place.name}`,
      `--data-dir=${place.folder}/data`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=${cluster}`,
      '--initial-cluster-token=test',
      '--logger=zap',
      // The lowest cost: tests log in often, and bcrypt is slow on purpose.
      '--bcrypt-cost=4',
      ...(quotaOctets === undefined ? [] : [`--quota-backend-bytes=${quotaOctets}`]),
      ...(tls === undefined
        ? []
        : [
            '--client-cert-auth',
            `--trusted-ca-file=${tls.ca}`,
            `--cert-file=${tls.certificate}`,
            `--key-file=${tls.privateKey}`,
          ]),
      ...(options.flags ?? []),
    ];
    this.#argv = place.namespace === undefined ? argv : inNamespace(place.namespace, argv);
  }

  /** host:port for clients. */
  get endpoint(): string {
    return `${this.place.address}:${this.place.clientPort}`;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.place.name} does not run`);
    return pid;
  }

  /** Whether it ended although nobody killed it. */
  get failed(): boolean {
    return this.#failed;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** Starts the process; that it answers has to be waited for. */
  start(): void {
    if (this.#child !== undefined) throw new Error(`${this.place.name} runs already`);
    const log = openSync(`${this.place.folder}/log`, 'a', 0o600);
    const [program = '', ...args] = this.#argv;
    const child = spawn(program, args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ETCD_LOG_LEVEL: 'warn' },
    });
    closeSync(log);
    this.#child = child;
    this.#killed = false;
    this.#failed = false;
    this.#exited = new Promise((resolve) => {
      const end = () => {
        if (this.#child === child) this.#child = undefined;
        this.#failed = !this.#killed;
        resolve();
      };
      child.once('exit', end);
      child.once('error', end);
    });
  }

  /** SIGSTOP: it holds its connections and answers nothing. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** SIGKILL, also where it is paused. Resolves when it has ended. */
  async kill(): Promise<void> {
    this.#killed = true;
    if (this.#child !== undefined) process.kill(this.pid, 'SIGKILL');
    await this.#exited;
  }

  /** The last lines of its log, for messages about failures. */
  tail(lines = 12): string {
    return readFileSync(`${this.place.folder}/log`, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(-lines)
      .join('\n');
  }
}
