// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path';
import { CidecarError } from '../../core/index.js';
import { readRegularFileSync, whyUnreadable } from '../../core/regular-file.js';
import type { ReadKeyFile } from '../document/keys.js';
import { MAX_KEY_FILE_OCTETS } from '../document/limits.js';

/** Reads key files whose names are relative to a folder. */
export function readKeyFileOf(folder: string): ReadKeyFile {
  return (name, warn) => readKeyFile(resolve(folder, name), name, warn);
}

export function readKeyFile(path: string, name: string, warn: (message: string) => void): string {
  try {
    const { octets, mode } = readRegularFileSync(path, MAX_KEY_FILE_OCTETS);
    if ((mode & 0o004) !== 0) {
      warn(`key file ${name} can be read by every user of this host; chmod 600 it`);
    }
    return octets.toString();
  } catch (cause) {
    const message = `key file ${name} ${whyUnreadable(cause)}`;
    throw new CidecarError('FILE_UNREADABLE', message, { cause });
  }
}
