// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { CidecarError } from '../../core/index.js';
import type { Io } from '../io.js';

export function addKeygen(program: Command, io: Io): void {
  program
    .command('keygen')
    .description('Write a fresh key of 32 hex digits into a new file that only you can read.')
    .argument('<file>', 'the file to create')
    .action((file: string) => {
      writeNewKey(file);
      io.out(`${file}: a new key, mode 0600`);
    });
}

function writeNewKey(file: string): void {
  try {
    // With wx a key that may be in use is never overwritten.
    writeFileSync(file, `${randomBytes(16).toString('hex')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const what =
      code === 'EEXIST' ? 'exists and is not overwritten' : `cannot be written (${code})`;
    throw new CidecarError('ARGUMENT_INVALID', `the key file ${what}`, { file, cause });
  }
}
