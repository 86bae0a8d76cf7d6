// SPDX-License-Identifier: Apache-2.0
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Watch } from '../types.js';
import { namesToFollow } from './followed-names.js';
import { Settling } from './settling.js';

export interface Timing {
  /** Milliseconds of quiet after an event before the files are read. */
  readonly settle: number;
  /** Milliseconds after the first event at which they are read even if there was no quiet. */
  readonly longest: number;
  /** Milliseconds between looks at the files when there are no events. */
  readonly poll: number;
}

const DEFAULT_TIMING: Timing = { settle: 50, longest: 500, poll: 5_000 };

/**
 * Calls `check` once at the start and then whenever any of `files` may have changed; `check`
 * answers with the files to look at from then on. Folders are watched rather than files, because
 * editors and deployment tools put a new file in the place of the old one, and Kubernetes swaps
 * a link to the folder. In a watched folder only the names that lead to a file count, because
 * others may come and go there all the time. A slow poll covers file systems without events, and
 * lost events. Calls never overlap.
 */
export async function watchFiles(
  files: readonly string[],
  check: () => Promise<readonly string[]>,
  timing: Partial<Timing> = {},
): Promise<Watch> {
  const watcher = new FileWatch(check, { ...DEFAULT_TIMING, ...timing });
  await watcher.start(files);
  return watcher;
}

interface FolderWatch {
  readonly watcher: FSWatcher;
  /**
   * The names in this folder that lead to a file, and the folder's own name, under which Node
   * reports events of the folder itself.
   */
  names: ReadonlySet<string>;
  /** Device and inode. Another folder in this one's place needs a watch of its own. */
  readonly identity: string;
}

class FileWatch implements Watch {
  readonly #check: () => Promise<readonly string[]>;
  readonly #timing: Timing;
  readonly #folders = new Map<string, FolderWatch>();
  #files: readonly string[] = [];
  #signature = '';
  readonly #settling: Settling;
  #polling: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(check: () => Promise<readonly string[]>, timing: Timing) {
    this.#check = check;
    this.#timing = timing;
    this.#settling = new Settling(timing.settle, timing.longest, () =>
      this.#queue(() => this.#run()),
    );
  }

  async start(files: readonly string[]): Promise<void> {
    // The watch comes first and one check after it, so that no change is missed in between.
    await this.#follow(files);
    this.#polling = setInterval(() => this.#queue(() => this.#poll()), this.#timing.poll);
    this.#queue(() => this.#run());
  }

  /** Does not wait for a check that is under way: it may take long, and nobody hears of it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#settling.cancel();
    clearInterval(this.#polling);
    for (const { watcher } of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }

  #queue(task: () => Promise<void>): void {
    this.#running = this.#running
      .then(() => (this.#closed ? undefined : task()))
      // An error that `check` throws must not end the watch.
      .catch((error: unknown) => process.emitWarning(asError(error)));
  }

  #touched(): void {
    if (!this.#closed) this.#settling.touch();
  }

  async #poll(): Promise<void> {
    if ((await signatureOf(this.#files)) !== this.#signature) await this.#run();
    else await this.#follow(this.#files);
  }

  async #run(): Promise<void> {
    this.#signature = await signatureOf(this.#files);
    const files = await this.#check();
    if (!this.#closed) await this.#follow(files);
  }

  /**
   * Watches the folders of these files. Asks for another look where they are not the ones
   * watched so far: a change in a new one went unseen until now.
   */
  async #follow(files: readonly string[]): Promise<void> {
    let changed = files.join('\0') !== this.#files.join('\0');
    this.#files = [...files];
    const wanted = await foldersOf(files);
    if (this.#closed) return;
    for (const [folder, followed] of this.#folders) {
      const { identity, names } = wanted.get(folder) ?? {};
      if (identity === followed.identity && names !== undefined) {
        followed.names = names;
        continue;
      }
      followed.watcher.close();
      this.#folders.delete(folder);
    }
    for (const [folder, { identity, names }] of wanted) {
      if (this.#folders.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: true }, (_, name) => {
          if (name === null || this.#folders.get(folder)?.names.has(name)) this.#touched();
        });
        const drop = () => {
          watcher.close();
          if (this.#folders.get(folder)?.watcher === watcher) this.#folders.delete(folder);
        };
        watcher.on('error', drop);
        this.#folders.set(folder, { watcher, identity, names });
        changed = true;
      } catch {
        // The folder is gone, or there are no inotify watches left: the poll sees changes.
      }
    }
    if (changed) this.#touched();
  }
}

/** The folders in which a name leads to a file, with their identities and those names. */
async function foldersOf(
  files: readonly string[],
): Promise<Map<string, { identity: string; names: ReadonlySet<string> }>> {
  const folders = new Map<string, { identity: string; names: ReadonlySet<string> }>();
  for (const [folder, names] of await namesToFollow(files)) {
    try {
      const { dev, ino } = await stat(folder, { bigint: true });
      folders.set(folder, { identity: `${dev}:${ino}`, names });
    } catch {
      // The folder is not there now; the poll finds it when it is.
    }
  }
  return folders;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

async function signatureOf(files: readonly string[]): Promise<string> {
  const parts = files.map(async (file) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(':');
    } catch {
      return 'none';
    }
  });
  return (await Promise.all(parts)).join(' ');
}
