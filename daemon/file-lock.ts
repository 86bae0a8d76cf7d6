// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { CidecarError } from '../core/index.js';
import { flock } from './flock.js';

/**
 * A lock that one process holds until it ends, in whatever way (SIGKILL too). Unlike an abstract
 * socket, it also works between containers that share the folder but not the network namespace.
 *
 * The file stays when the lock is given back: a process that removed it could remove the one
 * that another has just locked, and a third would then lock a new file beside it.
 */
export class FileLock {
  /** Open for reading and writing. The lock is given back when it is closed. */
  readonly file: FileHandle;

  private constructor(file: FileHandle) {
    this.file = file;
  }

  /**
   * Creates the file, mode 0600, where there is none.
   *
   * @param heldMessage the message of the error if another process holds the lock
   * @throws CidecarError STATE_LOCKED with that message; STATE_UNWRITABLE where the file cannot be
   * opened or locked
   */
  static async acquire(path: string, heldMessage: string): Promise<FileLock> {
    let file: FileHandle;
    try {
      file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    } catch (cause) {
      throw unwritable(path, `cannot create the lock file (${cause})`, cause);
    }
    try {
      if (!(await file.stat()).isFile()) throw unwritable(path, 'is not a regular file');
      const status = await flock(file.fd, 0).catch((cause: unknown) => {
        throw unwritable(path, 'flock of util-linux cannot be run', cause);
      });
      if (status === 0) return new FileLock(file);
      if (status === 1) throw new CidecarError('STATE_LOCKED', heldMessage, { file: path });
      throw unwritable(path, `flock failed (${status ?? 'killed'})`);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async release(): Promise<void> {
    await this.file.close();
  }
}

function unwritable(file: string, message: string, cause?: unknown): CidecarError {
  return new CidecarError('STATE_UNWRITABLE', message, { file, cause });
}
