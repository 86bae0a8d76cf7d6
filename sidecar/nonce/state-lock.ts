// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { type FileHandle, open } from 'node:fs/promises';
import { CidecarError } from '../../cid/index.js';

/**
 * Holds a file lock for as long as the process lives, SIGKILL included. Node has no
 * flock(2), but a lock belongs to the open file description: flock(1) of util-linux takes
 * it on the descriptor that it inherits, exits, and the lock stays with ours. Unlike an
 * abstract socket it also holds between containers, which share the folder but not the
 * network namespace.
 */
export class StateLock {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Throws STATE_LOCKED where another process holds it, STATE_UNWRITABLE where it cannot be made. */
  static async acquire(path: string): Promise<StateLock> {
    let file: FileHandle;
    try {
      file = await open(path, 'a', 0o600);
    } catch (cause) {
      throw new CidecarError('STATE_UNWRITABLE', `cannot create the lock file (${cause})`, {
        file: path,
        cause,
      });
    }
    try {
      await lock(file.fd, path);
    } catch (error) {
      await file.close();
      throw error;
    }
    return new StateLock(file);
  }

  async release(): Promise<void> {
    await this.#file.close();
  }
}

// The child sees the file as descriptor 3, behind its standard streams.
function lock(fd: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
    child.once('error', (cause) =>
      reject(
        new CidecarError('STATE_UNWRITABLE', 'flock of util-linux cannot be run', {
          file: path,
          cause,
        }),
      ),
    );
    child.once('exit', (status) => {
      if (status === 0) resolve();
      else if (status === 1) {
        reject(
          new CidecarError('STATE_LOCKED', 'another sidecar uses this folder', { file: path }),
        );
      } else {
        reject(
          new CidecarError('STATE_UNWRITABLE', `flock failed (${status ?? 'killed'})`, {
            file: path,
          }),
        );
      }
    });
  });
}
