// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';

/**
 * Locks an open file or folder for this process alone, by flock(2), until it is closed. Node
 * cannot call flock(2), so flock(1) of util-linux does it. A lock belongs to an open file
 * description, not to a process: flock(1) inherits our descriptor, locks it and exits, and we go
 * on holding the lock.
 *
 * @param seconds for which it waits while another process has the lock; 0: not at all
 * @returns the exit status of flock(1): 0 done, 1 where another process has the lock; null when
 * it was killed. Rejects where it cannot be run.
 */
export function flock(descriptor: number, seconds: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    // The child sees the file as descriptor 3, after its standard streams.
    const wait = seconds === 0 ? ['-n'] : ['-w', String(seconds)];
    const child = spawn('flock', [...wait, '3'], {
      stdio: ['ignore', 'ignore', 'ignore', descriptor],
    });
    child.once('error', reject);
    child.once('exit', resolve);
  });
}
