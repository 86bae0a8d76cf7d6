// SPDX-License-Identifier: Apache-2.0
import { existsSync, lstatSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Balancer, BpfLink, ensureBpffs, isBpffs } from '../../bpf/index.js';
import { CidecarError, makeFolders, removeFolders } from '../../core/index.js';

/** A program with its maps, pinned in a folder of their own, whole or not at all. */
export interface Pinnable {
  pin(folder: string): void;
}

/** Where bpffs usually is. */
const BPFFS = '/sys/fs/bpf';
const TABLE_SET = /^g([1-9][0-9]*)$/;

/**
 * The folder of one agent in bpffs:
 *
 *   link      the attachment to the interface
 *   g1, g2    a table set each: the program and its maps
 *   g1-old    one that is being removed; g3-new-<pid>, one that is being pinned
 *
 * The table set in force is the one whose program the link runs. Any other was left by an
 * agent that died while it replaced one set by the next; it carries no traffic.
 */
export class PinFolder {
  readonly path: string;
  /** What {@link create} made. */
  #made: readonly string[] = [];

  constructor(path: string) {
    this.path = path;
  }

  get linkPath(): string {
    return join(this.path, 'link');
  }

  /** Makes the folder, and mounts bpffs where the folder stands below its usual place and it is missing. */
  create(): void {
    if (`${dirname(this.path)}/`.startsWith(`${BPFFS}/`)) ensureBpffs(BPFFS);
    try {
      this.#made = makeFolders(this.path, 0o700);
    } catch (cause) {
      throw new CidecarError('PIN_INVALID', `cannot make the pin folder (${cause})`, {
        file: this.path,
        cause,
      });
    }
    if (isBpffs(this.path)) return;
    this.undoCreate();
    throw new CidecarError('PIN_INVALID', 'is not in bpffs, where alone things can be pinned', {
      file: this.path,
    });
  }

  /** After a start that failed: removes the folders that {@link create} made and nobody uses. */
  undoCreate(): void {
    removeFolders(this.#made);
    this.#made = [];
  }

  /** @throws CidecarError KERNEL_PERMISSION where this user may not even look */
  exists(): boolean {
    try {
      return lstatSync(this.path, { throwIfNoEntry: false }) !== undefined;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code !== 'EACCES') return false;
      throw new CidecarError('KERNEL_PERMISSION', 'this user may not look into bpffs', {
        file: this.path,
        cause,
      });
    }
  }

  openLink(): BpfLink | undefined {
    return existsSync(this.linkPath) ? BpfLink.openPinned(this.linkPath) : undefined;
  }

  tableSets(): number[] {
    if (!existsSync(this.path)) return [];
    return readdirSync(this.path)
      .map((name) => TABLE_SET.exec(name)?.[1])
      .filter((number) => number !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  }

  tableSetPath(number: number): string {
    return join(this.path, `g${number}`);
  }

  /**
   * The number of the table set whose program this is. Programs alone are opened, because the
   * maps beside them may be incomplete, or of another build.
   */
  findTableSet(programId: number): number | undefined {
    return this.tableSets().find(
      (number) => Balancer.pinnedProgramId(this.tableSetPath(number)) === programId,
    );
  }

  /**
   * The tables in force, for the program that the link runs; undefined where they are gone.
   * @throws CidecarError PIN_INVALID where they are not whole, or of another build
   */
  openTableSet(programId: number): Balancer | undefined {
    const number = this.findTableSet(programId);
    if (number === undefined) return undefined;
    try {
      return Balancer.openPinned(this.tableSetPath(number));
    } catch (error) {
      // An agent may replace them at this very moment.
      if (!existsSync(this.tableSetPath(number))) return undefined;
      throw error;
    }
  }

  /** Pins a table set under the next free number, which it returns. */
  publish(tables: Pinnable): number {
    const number = (this.tableSets().at(-1) ?? 0) + 1;
    tables.pin(this.tableSetPath(number));
    return number;
  }

  removeTableSet(number: number): void {
    this.#remove(`g${number}`);
  }

  /** Removes what killed agents left: every table set except one, whole or not. */
  tidy(keep: number | undefined): void {
    for (const name of this.#ours()) {
      if (name !== 'link' && name !== `g${keep}`) this.#remove(name);
    }
  }

  /**
   * A table set is renamed first: pins are removed one by one, and a process that is killed
   * between two of them must not leave half a table set under the name of a whole one.
   */
  #remove(name: string): void {
    let path = join(this.path, name);
    if (TABLE_SET.test(name) && existsSync(path)) {
      const old = `${path}-old`;
      rmSync(old, { recursive: true, force: true });
      renameSync(path, old);
      path = old;
    }
    rmSync(path, { recursive: true, force: true });
  }

  /** The folder may even be the root of bpffs, so what others pinned there is left alone. */
  #ours(): string[] {
    if (!existsSync(this.path)) return [];
    return readdirSync(this.path).filter((name) =>
      /^(link|g[1-9][0-9]*)(-old|-new-[0-9]+)?$/.test(name),
    );
  }

  /** Removes what the agent pinned, and the folder unless somebody else uses it. */
  remove(): void {
    for (const name of this.#ours()) this.#remove(name);
    if (existsSync(this.path) && readdirSync(this.path).length === 0) rmdirSync(this.path);
  }
}
