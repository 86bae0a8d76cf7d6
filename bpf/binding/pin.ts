// SPDX-License-Identifier: Apache-2.0
import { renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { CidecarError } from '../../core/errors.js';
import { guarded } from './errors.js';
import { addon } from './native.js';

interface Pinnable {
  pin(path: string): void;
}

/** Pins a handle in a folder of bpffs, which must exist. */
export function pinAt(native: Pinnable, path: string): void {
  // On other file systems the kernel answers EPERM, which would point to missing capabilities.
  if (!addon().isBpffs(dirname(path))) {
    throw new CidecarError('PIN_INVALID', `${dirname(path)} is not a folder of bpffs`, {
      file: path,
    });
  }
  guarded(() => native.pin(path));
}

/**
 * Pins under a temporary name and renames it, so that the path leads to the old object or to the
 * new one at every moment. (bpffs allows no dots in names.)
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

/** Removes a pin if there is one. */
export function removePin(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (cause) {
    throw new CidecarError('PIN_INVALID', `cannot remove ${path}`, { file: path, cause });
  }
}
