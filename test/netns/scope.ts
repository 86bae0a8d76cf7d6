// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ipBatch, tryRun } from './command.js';
import { type StartOptions, WorkerProcess } from './process.js';

const BPFFS = '/sys/fs/bpf';
const NETNS = '/run/netns';

/**
 * All that one run puts on the machine: namespaces, processes, pins, a folder for sockets and
 * logs. Their names begin with `<family><pid>-<number>`, so that a later run can remove what a
 * killed one left.
 */
export class Scope {
  static #count = 0;

  /** The beginning of the name of every namespace and pin folder of this scope. */
  readonly name: string;
  /** A folder for sockets, documents, keys and logs, private to root. */
  readonly folder: string;
  readonly #namespaces: string[] = [];
  readonly #processes: WorkerProcess[] = [];
  #adding: Promise<void> = Promise.resolve();
  #disposed: Promise<void> | undefined;

  constructor(family: string) {
    if (!/^[a-z]+$/.test(family)) throw new RangeError(`"${family}" is not a family name`);
    Scope.#count += 1;
    this.name = `${family}${process.pid}-${Scope.#count}`;
    this.folder = mkdtempSync(join(tmpdir(), `${this.name}-`));
  }

  /** A pin folder for a daemon of this scope. The daemon makes it, and the scope removes it. */
  pinFolder(of: string): string {
    return join(BPFFS, `${this.name}-${of}`);
  }

  /** A path in the scope's folder. Makes the folders above it. */
  path(...parts: string[]): string {
    const path = join(this.folder, ...parts);
    mkdirSync(join(path, '..'), { recursive: true });
    return path;
  }

  async addNamespaces(names: readonly string[]): Promise<string[]> {
    this.#refuseIfDisposed();
    const full = names.map((name) => `${this.name}-${name}`);
    this.#namespaces.push(...full);
    this.#adding = ipBatch(
      null,
      full.map((name) => `netns add ${name}`),
    );
    await this.#adding;
    return full;
  }

  /** Has namespaces removed that a program of the test makes by itself, by their full names. */
  adoptNamespaces(full: readonly string[]): void {
    this.#refuseIfDisposed();
    this.#namespaces.push(...full);
  }

  start(options: StartOptions): WorkerProcess {
    this.#refuseIfDisposed();
    const child = new WorkerProcess(options);
    this.#processes.push(child);
    return child;
  }

  /** Removes everything. It may be called again, and after a setup that failed halfway. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  #refuseIfDisposed(): void {
    if (this.#disposed !== undefined) throw new Error(`${this.name} is being removed`);
  }

  async #dispose(): Promise<void> {
    await Promise.allSettled([this.#adding]);
    // Processes end first, because a namespace only loses its name while a process is in it.
    await Promise.all(this.#processes.map((child) => child.stop()));
    for (const namespace of this.#namespaces) await removeNamespace(namespace);
    removePins(this.name);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Removes what is left of scopes of this family whose process has ended. Returns their names. */
export async function sweepLeftovers(family: string): Promise<string[]> {
  const dead = new Set<string>();
  const ofDeadProcess = (entry: string): string | undefined => {
    const match = new RegExp(`^(${family}(\\d+)-\\d+)-`).exec(entry);
    const [, name, pid] = match ?? [];
    return name !== undefined && pid !== undefined && !isAlive(Number(pid)) ? name : undefined;
  };
  for (const entry of list(NETNS)) {
    const name = ofDeadProcess(entry);
    if (name === undefined) continue;
    dead.add(name);
    await removeNamespace(entry);
  }
  for (const entry of list(BPFFS)) {
    const name = ofDeadProcess(entry);
    if (name === undefined) continue;
    dead.add(name);
    rmSync(join(BPFFS, entry), { recursive: true, force: true });
  }
  for (const entry of list(tmpdir())) {
    const name = ofDeadProcess(entry);
    if (name === undefined) continue;
    dead.add(name);
    rmSync(join(tmpdir(), entry), { recursive: true, force: true });
  }
  return [...dead];
}

/** What is on the machine by this name, for tests that check that nothing is left. */
export function leftovers(name: string): string[] {
  const found = (folder: string) =>
    list(folder)
      .filter((entry) => entry.startsWith(`${name}-`))
      .map((entry) => join(folder, entry));
  return [...found(NETNS), ...found(BPFFS), ...found(tmpdir())];
}

async function removeNamespace(namespace: string): Promise<void> {
  const { code, stdout } = await tryRun(['ip', 'netns', 'pids', namespace]);
  if (code !== 0) return; // It was never made, or is gone.
  for (const pid of stdout.split('\n').map(Number)) {
    if (pid > 1 && pid !== process.pid) killIfAlive(pid);
  }
  await tryRun(['ip', 'netns', 'del', namespace]);
}

function removePins(name: string): void {
  for (const entry of list(BPFFS)) {
    if (entry.startsWith(`${name}-`)) {
      rmSync(join(BPFFS, entry), { recursive: true, force: true });
    }
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // A user who may not read bpffs has no pins there either.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES') return [];
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
