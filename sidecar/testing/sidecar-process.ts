// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { credentials } from '@grpc/grpc-js';
import { SidecarServiceClient, SidecarServiceService } from '../../proto/gen/cidecar/v1/sidecar.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What node runs a program of ours by, named without its ending: from source or from dist/. */
export function program(name: string): string[] {
  return existsSync(join(root, 'package.json'))
    ? ['--import', 'tsx', join(root, `${name}.ts`)]
    : [join(root, `${name}.js`)];
}

/** A folder with a registry document, keys and room for a sidecar's state and socket. */
export class SidecarFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<SidecarFolder> {
    return new SidecarFolder(await mkdtemp(join(tmpdir(), `cdc${process.pid}-`)));
  }

  get document(): string {
    return join(this.path, 'desired.yaml');
  }

  get state(): string {
    return join(this.path, 'state');
  }

  get socket(): string {
    return join(this.path, 'sidecar.sock');
  }

  get metrics(): string {
    return join(this.path, 'metrics.sock');
  }

  /** A fresh key file; returns its name. */
  async key(name: string): Promise<string> {
    await writeFile(join(this.path, name), randomBytes(16).toString('hex'), { mode: 0o600 });
    return name;
  }

  /** Puts the document in place in one step, as a careful operator does. */
  async write(document: object): Promise<void> {
    const text = JSON.stringify(document); // YAML takes JSON.
    await writeFile(`${this.document}.new`, text);
    await rename(`${this.document}.new`, this.document);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

export interface LaunchOptions {
  /** Of node, before the program. */
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Name of the server; null leaves the flag out. */
  readonly server?: string | null;
  /** Who it runs as; this user, if left out. */
  readonly uid?: number;
  readonly gid?: number;
  /** A command that runs it, such as setpriv(1). */
  readonly through?: readonly string[];
}

/** A real cid-sidecar. */
export class SidecarProcess {
  readonly child: ChildProcess;
  readonly #folder: SidecarFolder;
  readonly exited: Promise<number | null>;
  /** What it wrote to stderr: log lines, and the error that ended it. */
  output = '';
  stdout = '';

  constructor(folder: SidecarFolder, flags: readonly string[] = [], launch: LaunchOptions = {}) {
    this.#folder = folder;
    const { nodeFlags = [], env = {}, server = 'web-1', through = [], ...user } = launch;
    const own = ['--registry', folder.document, '--state-dir', folder.state];
    const socket = ['--socket', folder.socket];
    if (server !== null) socket.push('--server', server);
    const args = [...nodeFlags, ...program('sidecar/main'), ...own, ...socket, ...flags];
    const [command = process.execPath, ...rest] = [...through, process.execPath, ...args];
    this.child = spawn(command, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: root,
      env: { ...process.env, ...env },
      ...user,
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    this.exited = new Promise((resolve) => this.child.once('close', (code) => resolve(code)));
  }

  /** Starts one and waits until it serves; rejects with its output if it ends instead. */
  static async start(
    folder: SidecarFolder,
    flags: readonly string[] = [],
    launch: LaunchOptions = {},
  ): Promise<SidecarProcess> {
    const sidecar = new SidecarProcess(folder, flags, launch);
    await sidecar.logs('serving');
    return sidecar;
  }

  /** Waits for a log line. */
  async logs(message: string): Promise<void> {
    while (!this.output.includes(`"msg":"${message}"`)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`the sidecar ended: ${this.output}`);
      }
      await sleep(10);
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal);
    return this.exited;
  }

  client(): SidecarServiceClient {
    return clientOf(this.#folder);
  }
}

export function clientOf(folder: SidecarFolder): SidecarServiceClient {
  return new SidecarServiceClient(`unix:${folder.socket}`, credentials.createInsecure());
}

type Service = typeof SidecarServiceService;
type UnaryMethod = Exclude<keyof Service, 'issueStream' | 'watch'>;
type RequestOf<M extends UnaryMethod> = ReturnType<Service[M]['requestDeserialize']>;
type ResponseOf<M extends UnaryMethod> = ReturnType<Service[M]['responseDeserialize']>;

/** A unary call as a promise. */
export function ask<M extends UnaryMethod>(
  client: SidecarServiceClient,
  method: M,
  request: RequestOf<M>,
): Promise<ResponseOf<M>> {
  const { path, requestSerialize, responseDeserialize } = SidecarServiceService[method];
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize as (value: RequestOf<M>) => Buffer,
      responseDeserialize as (octets: Buffer) => ResponseOf<M>,
      request,
      (error, response) =>
        error === null && response !== undefined ? resolve(response) : reject(error),
    );
  });
}

interface TestConfig {
  readonly id: number;
}

interface TestServer {
  readonly name: string;
  readonly address: string;
  /** Its server ID under every config. */
  readonly serverId: string;
  readonly state?: string;
  readonly resetTokens?: string;
}

const ONE_SERVER: TestServer = { name: 'web-1', address: '10.0.1.11', serverId: 'ed793a' };

/** A document with one pool. */
export function poolDocument(
  configs: readonly TestConfig[],
  servers: readonly TestServer[] = [ONE_SERVER],
): object {
  const vips = [{ address: '198.51.100.10', port: 443, protocol: 'udp' }];
  const entries = servers.map(({ serverId, ...rest }) => ({
    ...rest,
    serverIds: Object.fromEntries(configs.map(({ id }) => [id, [serverId]])),
  }));
  return { pools: { web: { vips, configs, servers: entries } } };
}

/** A config with CIDs of 12 octets, unless `more` says otherwise. */
export function quicLb(id: number, state: string, keyFile?: string, more: object = {}): TestConfig {
  const lengths = { serverIdLength: 3, nonceLength: 8 };
  const key = keyFile === undefined ? {} : { keyFile };
  return Object.assign({ id, scheme: 'quic-lb', state }, lengths, key, more);
}
