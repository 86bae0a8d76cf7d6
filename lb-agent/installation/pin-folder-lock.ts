// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { CidecarError, makeFolders } from '../../core/index.js';
import { FileLock } from '../../daemon/file-lock.js';

const RUN_FOLDER = '/run/cidecar';

/** What a lock lets one process do at a time, to one pin folder. */
type Purpose = 'agent' | 'events';

const HOLDERS: Readonly<Record<Purpose, string>> = {
  agent: 'another agent works on',
  events: 'another lb-agent events reads from',
};

/**
 * One process for a purpose and a pin folder, whatever its other options are. The lock file
 * stands in /run, because bpffs has no files to lock. It is empty and stays until the next boot.
 */
function lockFor(purpose: Purpose) {
  /** Where the lock of a pin folder stands. */
  const file = (pinFolder: string, runFolder = RUN_FOLDER): string => {
    const mark = createHash('sha256').update(resolve(pinFolder)).digest('hex').slice(0, 16);
    return join(runFolder, `${purpose}-${mark}.lock`);
  };
  return {
    file,

    /** @throws CidecarError STATE_LOCKED where another process has it, STATE_UNWRITABLE */
    async acquire(pinFolder: string, runFolder = RUN_FOLDER): Promise<FileLock> {
      const path = file(pinFolder, runFolder);
      try {
        makeFolders(runFolder, 0o755);
      } catch (cause) {
        throw new CidecarError('STATE_UNWRITABLE', `cannot create the lock file (${cause})`, {
          file: path,
          cause,
        });
      }
      return FileLock.acquire(path, `${HOLDERS[purpose]} ${pinFolder}`);
    },
  };
}

/** One agent changes what is pinned. */
export const AgentLock = lockFor('agent');

/** One reader takes events: a ring buffer has a single place up to which it is read. */
export const EventsLock = lockFor('events');
