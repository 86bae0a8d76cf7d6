// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { CidecarError, Secret } from '../../../core/index.js';
import { readRegularFileSync, whyUnreadable } from '../../../core/regular-file.js';

/** Octets of a secret: the key length of AES-256. */
const SECRET_OCTETS = 32;

/** A file of secrets has a line or two; what is much longer is a path to a wrong file. */
const MAX_FILE_OCTETS = 4096;

/** Shorter than a secret, so that one that stands in the place of its ID is not taken for one. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export interface ClusterSecret {
  /** The name by which sealed keys say which secret opens them. */
  readonly id: string;
  /** 32 octets. */
  readonly secret: Secret;
}

/** The first seals; all of them open. */
export type ClusterSecrets = readonly [ClusterSecret, ...ClusterSecret[]];

/** One secret a line: its ID, white space, 64 hex digits. Empty lines and `#` lines are left out. */
export function parseClusterSecrets(text: string, file: string): ClusterSecrets {
  const secrets: ClusterSecret[] = [];
  for (const [index, content] of text.split('\n').entries()) {
    const line = content.trim();
    if (line === '' || line.startsWith('#')) continue;
    const fail = (message: string): never => {
      throw new CidecarError('CLUSTER_SECRET_INVALID', message, { file, line: index + 1 });
    };
    const [id = '', digits = '', ...rest] = line.split(/\s+/);
    // The line is not shown: it holds a secret, perhaps in the place of its ID.
    if (!ID.test(id) || rest.length > 0) {
      fail('must be the ID of a secret, white space, and 64 hex digits');
    }
    if (!/^[0-9a-fA-F]*$/.test(digits) || digits.length !== 2 * SECRET_OCTETS) {
      fail(`the secret ${id} must have ${2 * SECRET_OCTETS} hex digits`);
    }
    if (secrets.some((other) => other.id === id)) fail(`the ID ${id} is there twice`);
    secrets.push({ id, secret: new Secret(Buffer.from(digits, 'hex')) });
  }
  const [first, ...others] = secrets;
  if (first === undefined) {
    throw new CidecarError('CLUSTER_SECRET_INVALID', 'holds no secret', { file });
  }
  return [first, ...others];
}

/**
 * @param warn receives what is allowed and looks like a mistake
 * @throws CidecarError FILE_UNREADABLE or CLUSTER_SECRET_INVALID
 */
export function readClusterSecrets(
  path: string,
  warn: (message: string) => void = () => {},
): ClusterSecrets {
  let octets: Buffer;
  try {
    const content = readRegularFileSync(path, MAX_FILE_OCTETS);
    octets = content.octets;
    if ((content.mode & 0o004) !== 0) {
      warn(`the cluster secret ${path} can be read by every user of this host; chmod 600 it`);
    }
  } catch (cause) {
    const message = `the cluster secret ${whyUnreadable(cause)}`;
    throw new CidecarError('FILE_UNREADABLE', message, { file: path, cause });
  }
  return parseClusterSecrets(octets.toString(), path);
}

/** A line of a new secret. */
export function newClusterSecret(id: string): string {
  if (!ID.test(id)) {
    const message =
      'the ID of a secret is a letter or digit, then letters, digits, ".", "_" or "-"';
    throw new CidecarError('ARGUMENT_INVALID', message);
  }
  return `${id} ${randomBytes(SECRET_OCTETS).toString('hex')}`;
}
