// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { inNamespace } from './command.js';

export interface StartOptions {
  /** Names the process in messages. */
  readonly title: string;
  /** A named network namespace. Default: that of this process. */
  readonly namespace?: string;
  /** A program of this repository: the path of its source without the ending `.ts`. */
  readonly entry?: string;
  /** The command line of any other program. */
  readonly argv?: readonly string[];
  readonly args?: readonly string[];
  /** Path of a file to which standard output and standard error are appended. */
  readonly log: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where it runs. Default: the folder with package.json. */
  readonly cwd?: string;
  /**
   * Takes the lines of its standard output, which are in the log too. Such a process takes lines on
   * its standard input (`write`) instead of calls.
   */
  readonly onLine?: (line: string) => void;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const FROM_SOURCES = import.meta.url.endsWith('.ts');

/** The folder with package.json. This file runs from the sources and from dist/. */
export const PACKAGE_ROOT = fileURLToPath(
  new URL(FROM_SOURCES ? '../../' : '../../../', import.meta.url),
);

/**
 * The command line of a program of this repository in its compiled form, which users run too.
 * The tests compile first (test/compile.ts).
 */
export function nodeArgv(entry: string): string[] {
  return [process.execPath, join(PACKAGE_ROOT, 'dist', `${entry}.js`)];
}

type Reply = { readonly id: number; readonly result?: unknown; readonly error?: string };
type Notice = { readonly event: string; readonly data: unknown };

/**
 * A child process. With those that answer (see worker.ts) it exchanges requests and replies over
 * Node's IPC channel.
 */
export class WorkerProcess {
  readonly title: string;
  readonly log: string;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #calls = new Map<number, { resolve(value: unknown): void; reject(e: Error): void }>();
  readonly #listeners = new Map<string, (data: unknown) => void>();
  readonly #ready: Promise<void>;
  #nextId = 1;
  #exit: Exit | undefined;
  #stopping = false;

  constructor(options: StartOptions) {
    const own = options.entry === undefined ? (options.argv ?? []) : nodeArgv(options.entry);
    const plain = [...own, ...(options.args ?? [])];
    const [program, ...args] =
      options.namespace === undefined ? plain : inNamespace(options.namespace, plain);
    if (program === undefined) throw new RangeError('a process needs an entry or an argv');
    this.title = options.title;
    this.log = options.log;
    const log = openSync(options.log, 'a', 0o600);
    const { onLine } = options;
    this.#child = spawn(program, args, {
      cwd: options.cwd ?? PACKAGE_ROOT,
      env: { ...process.env, ...options.env },
      stdio: onLine === undefined ? ['ignore', log, log, 'ipc'] : ['pipe', 'pipe', log],
    });
    closeSync(log);
    if (onLine !== undefined) this.#listen(onLine);
    this.exited = new Promise((resolve) => {
      const end = (exit: Exit) => {
        this.#exit = exit;
        for (const call of this.#calls.values()) call.reject(this.#died());
        this.#calls.clear();
        resolve(exit);
      };
      this.#child.on('error', () => end({ code: null, signal: null }));
      this.#child.on('exit', (code, signal) => end({ code, signal }));
    });
    this.#ready = new Promise((resolve) => this.on('ready', () => resolve()));
    this.#child.on('message', (message) => this.#receive(message as Reply | Notice));
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`${this.title} did not start`);
    return pid;
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  /** Sets the listener of an event, of which each event has one. */
  on(event: string, listener: (data: unknown) => void): void {
    this.#listeners.set(event, listener);
  }

  /** Resolves when a worker says that it is ready; rejects if it ends before that. */
  async ready(): Promise<void> {
    await Promise.race([
      this.#ready,
      this.exited.then(() => {
        throw this.#died();
      }),
    ]);
  }

  call<T>(method: string, parameters: unknown = null): Promise<T> {
    if (this.#exit !== undefined) return Promise.reject(this.#died());
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      this.#calls.set(id, { resolve: (value) => resolve(value as T), reject });
      this.#child.send({ id, method, parameters }, (error) => {
        if (error && this.#calls.delete(id)) reject(error);
      });
    });
  }

  /** Gives a line to the standard input of a process with `onLine`. */
  write(line: string): void {
    if (this.#exit === undefined) this.#child.stdin?.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#exit === undefined) this.#child.kill(signal);
  }

  /** Sends SIGTERM, and SIGKILL after `graceMs` milliseconds. Resolves when it has ended. */
  async stop(graceMs = 1500): Promise<Exit> {
    if (!this.#stopping) {
      this.#stopping = true;
      this.signal('SIGTERM');
    }
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  /** The last lines of the log, for messages about failures. */
  tail(lines = 12): string {
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  #listen(onLine: (line: string) => void): void {
    const { stdin, stdout } = this.#child;
    stdin?.on('error', () => undefined); // It has ended, which its exit says.
    if (stdout === null) return;
    createInterface(stdout).on('line', (line) => {
      appendFileSync(this.log, `${line}\n`);
      onLine(line);
    });
  }

  #receive(message: Reply | Notice): void {
    if ('event' in message) {
      this.#listeners.get(message.event)?.(message.data);
      return;
    }
    const call = this.#calls.get(message.id);
    this.#calls.delete(message.id);
    if (message.error === undefined) call?.resolve(message.result);
    else call?.reject(new Error(`${this.title}: ${message.error}`));
  }

  #died(): Error {
    const { code, signal } = this.#exit ?? { code: null, signal: null };
    return new Error(`${this.title} ended (${signal ?? `exit code ${code}`}):\n${this.tail()}`);
  }
}
