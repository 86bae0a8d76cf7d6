// SPDX-License-Identifier: Apache-2.0
import { renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { CidecarError } from '../../core/errors.js';
import { guarded } from './errors.js';
import { addon } from './native.js';

interface Pinnable {
  pin(path: string): void;
}

/** Pins a handle. The folder exists already, and its file system is bpffs. */
export function pinAt(native: Pinnable, path: string): void {
  // Elsewhere the kernel answers EPERM, which would send people after capabilities.
  if (!addon().isBpffs(dirname(path))) {
    throw new CidecarError('PIN_INVALID', `${dirname(path)} is not a folder of bpffs`, {
      file: path,
    });
  }
  guarded(() => native.pin(path));
}

/**
 * Pins under a temporary name, then renames: whoever opens the path gets the old object or
 * the new one, never nothing. (bpffs allows no dots in names.)
 */
export function pinReplacingAt(native: Pinnable, path: string): void {
  const temporary = `${path}-new-${process.pid}`;
  removePin(temporary);
  pinAt(native, temporary);
  try {
    renameSync(temporary, path);
  } catch (cause) {
    removePin(temporary);
    throw new CidecarError('PIN_INVALID', `cannot replace ${path}`, { file: path, cause });
  }
}

/** Removes a pin; nothing to do when there is none. */
export function removePin(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (cause) {
    throw new CidecarError('PIN_INVALID', `cannot remove ${path}`, { file: path, cause });
  }
}
