// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import { FILE_CALLS, type FileCalls } from '../../daemon/atomic-file.js';
import { FileLock } from '../../daemon/file-lock.js';

/**
 * One sidecar for a state folder. The lock file also holds the sequence number of the newest
 * state written under it. It is overwritten in place, so it exposes an older state file that
 * somebody put back, even by way of a hard link.
 */
export class StateLock {
  readonly #lock: FileLock;
  readonly #path: string;
  readonly #calls: FileCalls;

  private constructor(lock: FileLock, path: string, calls: FileCalls) {
    this.#lock = lock;
    this.#path = path;
    this.#calls = calls;
  }

  /** Throws STATE_LOCKED where another process holds it, STATE_UNWRITABLE where it cannot be made. */
  static async acquire(path: string, calls: FileCalls = FILE_CALLS): Promise<StateLock> {
    const lock = await FileLock.acquire(path, 'another sidecar uses this folder');
    return new StateLock(lock, path, calls);
  }

  /**
   * Throws STATE_REPLACED unless the path still leads to what is locked. Where the folder
   * was made anew, another sidecar may hold the lock of that one.
   */
  async check(): Promise<void> {
    const held = await this.#lock.file.stat({ bigint: true });
    const present = await this.#calls
      .stat(this.#path, { bigint: true })
      .catch((cause: unknown) => cause);
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
    const { buffer, bytesRead } = await this.#lock.file.read(Buffer.alloc(DIGITS), 0, DIGITS, 0);
    const text = buffer.toString('latin1', 0, bytesRead);
    return /^[0-9]+$/.test(text) && bytesRead === DIGITS ? Number(text) : 0;
  }

  /** After the state of that number is durable: then a crash leaves a lower number at worst. */
  async noteNewest(sequence: number): Promise<void> {
    await this.#lock.file.write(`${String(sequence).padStart(DIGITS, '0')}\n`, 0);
  }

  async release(): Promise<void> {
    await this.#lock.release();
  }
}

/** Of a sequence number in the lock file: always as many, so that none of a longer one stay. */
const DIGITS = 16;
