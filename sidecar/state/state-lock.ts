// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { CidecarError } from '../../core/index.js';

/**
 * Holds a file lock for as long as the process lives, SIGKILL included. Node has no
 * flock(2), but a lock belongs to the open file description: flock(1) of util-linux takes
 * it on the descriptor that it inherits, exits, and the lock stays with ours. Unlike an
 * abstract socket it also holds between containers, which share the folder but not the
 * network namespace.
 *
 * The lock file also holds the sequence number of the newest state written under it. It is
 * overwritten in place, so it tells an older state file that somebody put back, even by way
 * of a hard link.
 */
export class StateLock {
  readonly #file: FileHandle;
  readonly #path: string;

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** Throws STATE_LOCKED where another process holds it, STATE_UNWRITABLE where it cannot be made. */
  static async acquire(path: string): Promise<StateLock> {
    let file: FileHandle;
    try {
      file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
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
    return new StateLock(file, path);
  }

  /**
   * Throws STATE_REPLACED unless the path still leads to what is locked. Where the folder
   * was made anew, another sidecar may hold the lock of that one.
   */
  async check(): Promise<void> {
    const held = await this.#file.stat({ bigint: true });
    const present = await stat(this.#path, { bigint: true }).catch((cause: unknown) => cause);
    if (present instanceof Error) {
      throw new CidecarError('STATE_REPLACED', `the lock file cannot be seen (${present.message})`);
    }
    const { dev, ino } = present as typeof held;
    if (dev === held.dev && ino === held.ino) return;
    throw new CidecarError('STATE_REPLACED', 'the state folder is not the one that was locked', {
      file: this.#path,
    });
  }

  /** Sequence number of the newest state; 0 where none was noted. */
  async newest(): Promise<number> {
    const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(DIGITS), 0, DIGITS, 0);
    const text = buffer.toString('latin1', 0, bytesRead);
    return /^[0-9]+$/.test(text) && bytesRead === DIGITS ? Number(text) : 0;
  }

  /** After the state of that number is durable: then a crash leaves a lower number at worst. */
  async noteNewest(sequence: number): Promise<void> {
    await this.#file.write(`${String(sequence).padStart(DIGITS, '0')}\n`, 0);
  }

  async release(): Promise<void> {
    await this.#file.close();
  }
}

/** Of a sequence number in the lock file: always as many, so that none of a longer one stay. */
const DIGITS = 16;

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
