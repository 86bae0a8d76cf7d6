// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CidecarError, codeOf } from '../core/index.js';
import { replaceFile } from './atomic-file.js';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/;

/**
 * A UUID that lives in a state folder, made at the first call. By it the registry knows a daemon
 * again after a restart, and tells it from another one that was given the same name.
 *
 * @throws CidecarError STATE_UNWRITABLE, STATE_CORRUPT or FILE_UNREADABLE
 */
export async function identityIn(folder: string): Promise<string> {
  return (await knownIdentityIn(folder)) ?? makeIdentity(join(folder, 'identity'));
}

/**
 * The same; undefined where none was made yet.
 *
 * @throws CidecarError STATE_CORRUPT or FILE_UNREADABLE
 */
export async function knownIdentityIn(folder: string): Promise<string | undefined> {
  const file = join(folder, 'identity');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    const message = `the identity cannot be read (${codeOf(cause)})`;
    throw new CidecarError('FILE_UNREADABLE', message, { file, cause });
  }
  if (UUID.test(text)) return text.trim();
  throw new CidecarError('STATE_CORRUPT', 'this is no identity: it must be a UUID', { file });
}

async function makeIdentity(file: string): Promise<string> {
  const identity = randomUUID();
  try {
    await replaceFile(file, { mode: 0o600, content: `${identity}\n` });
  } catch (cause) {
    const message = `the identity cannot be written (${codeOf(cause)})`;
    throw new CidecarError('STATE_UNWRITABLE', message, { file, cause });
  }
  return identity;
}
