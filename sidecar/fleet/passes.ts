// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CidecarError, codeOf } from '../../core/index.js';
import { replaceFile } from '../../daemon/atomic-file.js';

const passShape = z.strictObject({
  /** Fingerprint of the config: a pass is for one meaning of a config ID. */
  meaning: z.string(),
  /** The revision that all agents held when it was given. */
  since: z.int().min(0),
  /** Server IDs that may be issued under it, in hex. */
  ids: z.array(z.string()),
});

const fileShape = z.strictObject({
  version: z.literal(1),
  pool: z.string(),
  server: z.string(),
  /** By config ID. */
  passes: z.record(z.string(), passShape),
});

/** What the gate let through under one config. Its mark stands in etcd for as long as it does. */
export type Pass = z.infer<typeof passShape>;

export type Passes = ReadonlyMap<number, Pass>;

/**
 * The passes of a sidecar, in a file of its state folder. Each is on disk before anything is
 * issued by it, and is taken from the disk before its mark is taken from etcd: so a sidecar that
 * starts while etcd is away issues only by passes whose marks stand.
 */
export class PassFile {
  readonly path: string;
  readonly #of: { readonly pool: string; readonly server: string };
  #onDisk: Passes;
  /** Of those on disk, the ones that were not taken away. */
  #passes: Passes;

  private constructor(path: string, of: { pool: string; server: string }, passes: Passes) {
    this.path = path;
    this.#of = of;
    this.#onDisk = passes;
    this.#passes = passes;
  }

  /**
   * Passes of another server or pool count as none: the marks of those are not this one's.
   *
   * @throws CidecarError STATE_CORRUPT or FILE_UNREADABLE
   */
  static async open(folder: string, of: { pool: string; server: string }): Promise<PassFile> {
    const file = join(folder, 'passes');
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return new PassFile(file, of, new Map());
      const message = `what may be issued cannot be read (${codeOf(cause)})`;
      throw new CidecarError('FILE_UNREADABLE', message, { file, cause });
    }
    return new PassFile(file, of, passesIn(text, file, of));
  }

  /** By what may be issued now. */
  get passes(): Passes {
    return this.#passes;
  }

  /** What a sidecar that starts now would issue by. */
  get onDisk(): Passes {
    return this.#onDisk;
  }

  /**
   * Gives a pass, which holds when it is on disk. One call at a time, {@link take} included.
   *
   * @throws CidecarError STATE_UNWRITABLE
   */
  async give(config: number, pass: Pass): Promise<void> {
    const passes = new Map(this.#onDisk).set(config, pass);
    await this.#write(passes);
    this.#passes = passes;
  }

  /** Takes a pass, which holds no more from the call on; resolves when it is off the disk too. */
  async take(config: number): Promise<void> {
    const passes = new Map(this.#onDisk);
    passes.delete(config);
    this.#passes = passes;
    if (this.#onDisk.has(config)) await this.#write(passes);
  }

  async #write(passes: Passes): Promise<void> {
    const content = { version: 1, ...this.#of, passes: Object.fromEntries(passes) };
    const text = `${JSON.stringify(content)}\n`;
    try {
      await replaceFile(this.path, { mode: 0o600, content: text });
    } catch (cause) {
      const message = `what may be issued cannot be written (${codeOf(cause)})`;
      throw new CidecarError('STATE_UNWRITABLE', message, { file: this.path, cause });
    }
    this.#onDisk = passes;
  }
}

function passesIn(text: string, file: string, of: { pool: string; server: string }): Passes {
  try {
    const { pool, server, passes } = fileShape.parse(JSON.parse(text));
    if (pool !== of.pool || server !== of.server) return new Map();
    return new Map(Object.entries(passes).map(([config, pass]) => [Number(config), pass]));
  } catch {
    throw new CidecarError('STATE_CORRUPT', 'this is no list of what may be issued', { file });
  }
}
