// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CidecarError } from '../../core/index.js';

const RUN_FOLDER = '/run/cidecar';

/** What a lock lets one process do at a time, to one pin folder. */
type Purpose = 'agent' | 'events';

const HOLDERS: Readonly<Record<Purpose, string>> = {
  agent: 'another agent works on',
  events: 'another lb-agent events reads from',
};

/**
 * One process for a purpose and a pin folder, whatever its other options are. The lock is a
 * file's, held by a descriptor, so the kernel gives it back when the holder dies. It stands
 * in /run, because bpffs has no files to lock. flock(1) of util-linux takes it on the
 * descriptor that it inherits; the lock belongs to the open file and so stays ours when
 * flock(1) is gone.
 *
 * The file, which is empty, stays until the next boot: who removes it may remove the one
 * that another process has just locked, and a third would then lock a new one beside it.
 */
class PinFolderLock {
  #descriptor: number | undefined;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Where the lock of a pin folder stands. */
  static file(purpose: Purpose, pinFolder: string, runFolder: string): string {
    const mark = createHash('sha256').update(resolve(pinFolder)).digest('hex').slice(0, 16);
    return join(runFolder, `${purpose}-${mark}.lock`);
  }

  /** @throws CidecarError STATE_LOCKED where another process has it, STATE_UNWRITABLE */
  static acquire(purpose: Purpose, pinFolder: string, runFolder: string): PinFolderLock {
    const file = PinFolderLock.file(purpose, pinFolder, runFolder);
    let descriptor: number;
    try {
      mkdirSync(runFolder, { recursive: true, mode: 0o755 });
      descriptor = openSync(file, 'a', 0o600);
    } catch (cause) {
      throw new CidecarError('STATE_UNWRITABLE', 'cannot create the lock file', { file, cause });
    }
    // The child sees the file as descriptor 3, behind its standard streams.
    const { status, error } = spawnSync('flock', ['-n', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', descriptor],
    });
    if (status === 0) return new PinFolderLock(descriptor);
    closeSync(descriptor);
    if (status === 1) {
      throw new CidecarError('STATE_LOCKED', `${HOLDERS[purpose]} ${pinFolder}`, { file });
    }
    throw new CidecarError('STATE_UNWRITABLE', 'flock of util-linux cannot be run', {
      file,
      cause: error,
    });
  }

  release(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

function lockFor(purpose: Purpose) {
  return {
    file: (pinFolder: string, runFolder = RUN_FOLDER) =>
      PinFolderLock.file(purpose, pinFolder, runFolder),
    acquire: (pinFolder: string, runFolder = RUN_FOLDER) =>
      PinFolderLock.acquire(purpose, pinFolder, runFolder),
  };
}

/** One agent changes what is pinned. */
export const AgentLock = lockFor('agent');

/** One reader takes events: a ring buffer has a single place up to which it is read. */
export const EventsLock = lockFor('events');
