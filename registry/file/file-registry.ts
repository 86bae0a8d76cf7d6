// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { CidecarError, SayOnce, SerialWork } from '../../core/index.js';
import { parseDocument } from '../document/document.js';
import type { DocumentWarning } from '../document/report.js';
import type { DesiredState, Registry, RegistryOptions, Watch, WatchHandlers } from '../types.js';
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
  /**
   * What read() handed out last. A caller may have put that in force, so a watch reports a state
   * that differs from it, whatever the watch itself reported before.
   */
  #lastRead: { readonly revision: string | undefined } | undefined;
  /** Readings follow each other, so that an older one does not come out last. */
  readonly #loading = new SerialWork(() => this.#load());
  /** The files that the last reading opened, the document first; those of a bad document too. */
  #files: readonly string[];
  readonly #warned = new SayOnce();

  constructor(path: string, name: string, options: FileRegistryOptions) {
    this.#path = path;
    this.#name = name;
    this.#options = options;
    this.#files = [path];
  }

  async read(): Promise<DesiredState> {
    try {
      const state = await this.#loading.run();
      this.#lastRead = { revision: state.revision };
      return state;
    } catch (error) {
      this.#lastRead = { revision: undefined };
      throw error;
    }
  }

  async watch(handlers: WatchHandlers): Promise<Watch> {
    const reported = new SayOnce();
    // The state that this watch reported last. A read() beside it is no report.
    let told = this.#lastRead?.revision;
    let readSeen = this.#lastRead;
    const tell = (error: Error) => {
      try {
        handlers.onError(error);
      } catch (thrown) {
        process.emitWarning(thrown instanceof Error ? thrown : new Error(String(thrown)));
      }
    };
    const check = async (): Promise<readonly string[]> => {
      try {
        const state = await this.#loading.run();
        const read = this.#lastRead;
        const readOther = read !== readSeen && read?.revision !== state.revision;
        const changed = reported.over() || state.revision !== told || readOther;
        readSeen = read;
        told = state.revision;
        if (changed) handlers.onChange(state);
      } catch (error) {
        if (reported.isNews(error)) tell(error instanceof Error ? error : new Error(String(error)));
      }
      return this.#files;
    };
    if (told === undefined) {
      try {
        told = (await this.#loading.run()).revision;
      } catch {
        // The first check reports it, and the first good state counts as a change.
      }
    }
    return watchFiles(this.#files, check, this.#options.timing);
  }

  async #load(): Promise<DesiredState> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (cause) {
      throw unreadable(cause, this.#name, { file: this.#name });
    }
    const files = [this.#path];
    this.#files = files;
    const { state, warnings } = parseDocument(text, {
      file: this.#name,
      ...(this.#options.schemes && { schemes: this.#options.schemes }),
      readKeyFile: (name, warn) => {
        const path = resolve(dirname(this.#path), name);
        files.push(path);
        try {
          if ((statSync(path).mode & 0o004) !== 0) {
            warn(`key file ${name} can be read by every user of this host; chmod 600 it`);
          }
          return readFileSync(path, 'utf8');
        } catch (cause) {
          throw unreadable(cause, `key file ${name}`);
        }
      },
    });
    this.#warn(warnings);
    return state;
  }

  #warn(warnings: readonly DocumentWarning[]): void {
    if (!this.#warned.isNews(JSON.stringify(warnings))) return;
    for (const warning of warnings) this.#options.onWarning?.(warning);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read by this user',
  EISDIR: 'is a folder',
};

function unreadable(cause: unknown, what: string, place: { file?: string } = {}): CidecarError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const reason = REASONS[code] ?? `cannot be read (${code === '' ? String(cause) : code})`;
  return new CidecarError('FILE_UNREADABLE', `${what} ${reason}`, { ...place, cause });
}
