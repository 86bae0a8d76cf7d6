// SPDX-License-Identifier: Apache-2.0
import { dirname, resolve } from 'node:path';
import { CidecarError, SayOnce, SerialWork } from '../../core/index.js';
import { readRegularFile, whyUnreadable } from '../../core/regular-file.js';
import { parseDocumentInSlices } from '../document/document.js';
import { MAX_DOCUMENT_OCTETS } from '../document/limits.js';
import type { DocumentWarning } from '../document/report.js';
import type { DesiredState, Registry, RegistryOptions, Watch, WatchHandlers } from '../types.js';
import { LastRead, WatchReports } from '../watch-reports.js';
import { documentSource } from './document-source.js';
import { readKeyFile } from './key-files.js';
import { type Timing, watchFiles } from './watch-files.js';

export interface FileRegistryOptions extends RegistryOptions {
  readonly timing?: Partial<Timing>;
}

/** The desired state in one YAML file that names the key files. Nothing is read yet. */
export function openFileRegistry(path: string, options: FileRegistryOptions = {}): Registry {
  return new FileRegistry(resolve(path), path, options);
}

class FileRegistry implements Registry {
  readonly #path: string;
  /** The path as it was given, for messages. */
  readonly #name: string;
  readonly #options: FileRegistryOptions;
  readonly #lastRead = new LastRead();
  /** Readings follow each other, so that an older one does not come out last. */
  readonly #loading = new SerialWork(() => this.#load());
  /** The files that the last reading opened, the document first; those of a bad document too. */
  #files: readonly string[];
  readonly #warned = new SayOnce();
  /** Those who wait for a reading, or would hear of it. Without one it is given up. */
  #interested = 0;
  #abort = new AbortController();

  constructor(path: string, name: string, options: FileRegistryOptions) {
    this.#path = path;
    this.#name = name;
    this.#options = options;
    this.#files = [path];
  }

  async read(): Promise<DesiredState> {
    this.#interested += 1;
    try {
      const state = await this.#loading.run();
      this.#lastRead.handsOut(state);
      return state;
    } catch (error) {
      this.#lastRead.fails();
      throw error;
    } finally {
      this.#leave();
    }
  }

  async watch(handlers: WatchHandlers): Promise<Watch> {
    this.#interested += 1;
    const reports = new WatchReports(handlers, this.#lastRead);
    await reports.begin(() => this.#loading.run());
    const check = async (): Promise<readonly string[]> => {
      try {
        reports.found(await this.#loading.run());
      } catch (error) {
        reports.failed(error);
      }
      return this.#files;
    };
    let closed = false;
    const watch = await watchFiles(this.#files, check, this.#options.timing);
    return {
      close: async () => {
        if (closed) return;
        closed = true;
        reports.close();
        await watch.close();
        this.#leave();
      },
    };
  }

  #leave(): void {
    this.#interested -= 1;
    if (this.#interested === 0) this.#abort.abort();
  }

  async #load(): Promise<DesiredState> {
    if (this.#abort.signal.aborted) this.#abort = new AbortController();
    const { signal } = this.#abort;
    let text: string;
    try {
      text = (await readRegularFile(this.#path, MAX_DOCUMENT_OCTETS)).octets.toString();
    } catch (cause) {
      const message = `${this.#name} ${whyUnreadable(cause)}`;
      throw new CidecarError('FILE_UNREADABLE', message, { file: this.#name, cause });
    }
    const files = [this.#path];
    this.#files = files;
    const keyFiles: Record<string, string> = {};
    const options = {
      file: this.#name,
      needsKey: this.#options.needsKey,
      ...(this.#options.schemes && { schemes: this.#options.schemes }),
      readKeyFile: (name: string, warn: (message: string) => void) => {
        const path = resolve(dirname(this.#path), name);
        files.push(path);
        const content = readKeyFile(path, name, warn);
        keyFiles[name] = content;
        return content;
      },
    };
    const { state, warnings } = await parseDocumentInSlices(text, options, signal);
    this.#warn(warnings);
    this.#options.onSource?.(state, documentSource({ text, keyFiles }));
    return state;
  }

  #warn(warnings: readonly DocumentWarning[]): void {
    if (!this.#warned.isNews(JSON.stringify(warnings))) return;
    for (const warning of warnings) this.#options.onWarning?.(warning);
  }
}
