// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The system calls that keep a file; tests pass some that fail, or count. */
export interface FileCalls {
  readonly open: typeof open;
  readonly rename: typeof rename;
  readonly rm: typeof rm;
  readonly stat: typeof stat;
}

export const FILE_CALLS: FileCalls = { open, rename, rm, stat };

export interface ReplacedFile {
  /** Permission bits of the new file, before the umask. */
  readonly mode: number;
  /** What to write, or what makes it for the file that it goes into, still empty. */
  readonly content: string | ((file: FileHandle) => Promise<string>);
}

/** The name under which a file is written before it takes its place. */
export function temporaryName(path: string): string {
  return `${path}.new`;
}

/**
 * Replaces a file as a whole, durable when it resolves: written beside, synced, renamed, and
 * the folder synced, so that a crash leaves the old content or the new. To be called for one
 * path at one time only, because two would write beside it under the same name.
 *
 * @throws the error of the system call that failed; the old content then still holds, unless
 * it was the last step, the sync of the folder: then a crash decides which of the two does
 */
export async function replaceFile(
  path: string,
  { mode, content }: ReplacedFile,
  calls: FileCalls = FILE_CALLS,
): Promise<void> {
  const temporary = temporaryName(path);
  // One that a crash left; its birth time and its permissions would be those of another file.
  await calls.rm(temporary, { force: true });
  const file = await calls.open(temporary, 'wx', mode);
  try {
    await file.writeFile(typeof content === 'string' ? content : await content(file));
    await file.sync();
  } finally {
    await file.close();
  }
  await calls.rename(temporary, path);
  await syncFolder(dirname(path), calls);
}

/** Makes durable which names a folder has. */
export async function syncFolder(
  path: string,
  calls: Pick<FileCalls, 'open'> = FILE_CALLS,
): Promise<void> {
  const folder = await calls.open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
