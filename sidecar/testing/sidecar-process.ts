// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';
import { clientOf } from './calls.js';
import type { SidecarFolder } from './sidecar-folder.js';

/** Where this file is, in the sources or in dist/. */
const root = fileURLToPath(new URL('../../', import.meta.url));
const compiled = existsSync(join(root, 'package.json')) ? join(root, 'dist') : root;

/**
 * The arguments of node for a program of ours, named without its ending. It is the compiled form,
 * as users run it; the tests compile first (test/compile.ts).
 */
export function program(name: string): string[] {
  return [join(compiled, `${name}.js`)];
}

export interface LaunchOptions {
  /** Flags of node itself. */
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Name of the server; null leaves the flag out. */
  readonly server?: string | null;
  /** Whether it is told the document; it is, if left out. */
  readonly registry?: boolean;
  /** The user that it runs as; this one, if left out. */
  readonly uid?: number;
  readonly gid?: number;
  /** A command that runs it, such as setpriv(1). */
  readonly through?: readonly string[];
}

/** A cid-sidecar in a process of its own. */
export class SidecarProcess {
  readonly child: ChildProcess;
  readonly #folder: SidecarFolder;
  readonly exited: Promise<number | null>;
  /** What it wrote to stderr: log lines and the error that ended it. */
  output = '';
  stdout = '';

  constructor(folder: SidecarFolder, flags: readonly string[] = [], launch: LaunchOptions = {}) {
    this.#folder = folder;
    const {
      nodeFlags = [],
      env = {},
      server = 'web-1',
      registry = true,
      through = [],
      ...user
    } = launch;
    const own = ['--state-dir', folder.state];
    if (registry) own.push('--registry', folder.document);
    const socket = ['--socket', folder.socket];
    if (server !== null) socket.push('--server', server);
    // As the unit starts it.
    const args = [
      '--max-semi-space-size=8',
      ...nodeFlags,
      ...program('sidecar/main'),
      ...own,
      ...socket,
      ...flags,
    ];
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
