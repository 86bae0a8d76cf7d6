// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { CidecarError } from '../../core/index.js';
import {
  type ClusterSecrets,
  newClusterSecret,
  readClusterSecrets,
} from '../../registry/etcd/index.js';
import type { Io } from '../io.js';

interface KeygenFlags {
  readonly clusterSecret?: true;
  readonly id?: string;
}

export function addKeygen(program: Command, io: Io): void {
  program
    .command('keygen')
    .description(
      'Write a fresh key of 32 hex digits into a new file that only you can read, or a fresh ' +
        'cluster secret.',
    )
    .argument('<file>', 'the file to create')
    .option('--cluster-secret', 'a secret that seals keys in etcd; added to a file that is there')
    .option('--id <id>', 'of the secret (default: the date)')
    .action((file: string, { clusterSecret, id }: KeygenFlags) => {
      if (clusterSecret) addSecret(file, id ?? new Date().toISOString().slice(0, 10), io);
      else if (id === undefined) {
        writeNew(file, `${randomBytes(16).toString('hex')}\n`, 'key file');
        io.out(`${file}: a new key, mode 0600`);
      } else throw new CidecarError('ARGUMENT_INVALID', '--id needs --cluster-secret');
    });
}

/** Adds a secret at the end, where it opens keys and seals none until it is moved up. */
function addSecret(file: string, id: string, io: Io): void {
  const line = `${newClusterSecret(id)}\n`;
  let present: ClusterSecrets;
  try {
    writeNew(file, line, 'file of secrets');
    io.out(`${file}: a new cluster secret ${id}, mode 0600`);
    return;
  } catch (error) {
    if (!(error instanceof CidecarError) || !isThere(error.cause)) throw error;
    present = readClusterSecrets(file);
  }
  if (present.some((secret) => secret.id === id)) {
    const message = `has a secret ${id} already; give this one another ID (--id)`;
    throw new CidecarError('ARGUMENT_INVALID', message, { file });
  }
  append(file, line);
  io.out(
    `${file}: ${id} was added at the end. When all hosts have this file, move it to the first line there and run cidctl reseal; then take ${present.map((secret) => secret.id).join(', ')} out.`,
  );
}

function append(file: string, line: string): void {
  try {
    // Begins with a line end: the last line of a file that a person wrote may have none.
    writeFileSync(file, `\n${line}`, { flag: 'a' });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message = `the file of secrets cannot be written (${code})`;
    throw new CidecarError('ARGUMENT_INVALID', message, { file, cause });
  }
}

function writeNew(file: string, content: string, what: string): void {
  try {
    // With wx a key that may be in use is never overwritten.
    writeFileSync(file, content, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = isThere(cause) ? 'exists and is not overwritten' : `cannot be written (${code})`;
    throw new CidecarError('ARGUMENT_INVALID', `the ${what} ${why}`, { file, cause });
  }
}

function isThere(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
}
