// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder with a registry document, keys and room for a sidecar's state and socket. */
export class SidecarFolder {
  #path: string | undefined;

  static async create(): Promise<SidecarFolder> {
    const folder = new SidecarFolder();
    await folder.make();
    return folder;
  }

  /** Makes the folder, under another name each time. */
  async make(): Promise<void> {
    this.#path = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
  }

  get path(): string {
    if (this.#path === undefined) throw new Error('the folder was not made');
    return this.#path;
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

  /** Puts the document in place in one step, so that nobody reads a part of it. */
  async write(document: object): Promise<void> {
    const text = JSON.stringify(document); // YAML takes JSON.
    await writeFile(`${this.document}.new`, text);
    await rename(`${this.document}.new`, this.document);
  }

  async remove(): Promise<void> {
    if (this.#path !== undefined) await rm(this.#path, { recursive: true, force: true });
    this.#path = undefined;
  }
}
