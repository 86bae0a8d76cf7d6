// SPDX-License-Identifier: Apache-2.0
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { CidecarError, Secret } from '../../../core/index.js';
import { needs } from '../../document/shape.js';
import type { ClusterSecrets } from './cluster-secret.js';
import { LAYOUT_VERSION } from './keys.js';

const CIPHER = 'aes-256-gcm';
/** Octets, as NIST SP 800-38D recommends for GCM. */
const NONCE_OCTETS = 12;
/** Octets. */
const TAG_OCTETS = 16;
/** Octets of every key that a config has. */
const KEY_OCTETS = 16;

function hexOf(octets: number) {
  const message = needs(`${2 * octets} lower-case hex digits`, true);
  return z.string(message).regex(new RegExp(`^[0-9a-f]{${2 * octets}}$`), message);
}

/** A key as it stands in etcd. */
export const sealedKeyShape = z.strictObject(
  {
    /** Which cluster secret opens it. */
    secret: z
      .string(needs('the ID of a cluster secret'))
      .min(1, needs('the ID of a cluster secret')),
    nonce: hexOf(NONCE_OCTETS),
    /** The encrypted key, then the tag. */
    sealed: hexOf(KEY_OCTETS + TAG_OCTETS),
  },
  needs('a sealed key: a mapping with secret, nonce and sealed', true),
);

export type SealedKey = z.infer<typeof sealedKeyShape>;

/** What a key is for. It is sealed with it, so that a sealed key is of no use in another place. */
export interface KeyPurpose {
  readonly pool: string;
  readonly config: number;
  /** `key`, `resetKey`: the name of the field that holds it sealed. */
  readonly kind: string;
}

export function newKey(): Secret {
  return new Secret(randomBytes(KEY_OCTETS));
}

/** Seals a key of 16 octets under the first of the secrets. */
export function sealKey(key: Secret, purpose: KeyPurpose, [first]: ClusterSecrets): SealedKey {
  if (key.length !== KEY_OCTETS) {
    throw new CidecarError('KEY_INVALID', `the key has ${key.length} octets, not ${KEY_OCTETS}`);
  }
  const nonce = randomBytes(NONCE_OCTETS);
  const cipher = createCipheriv(CIPHER, first.secret.reveal(), nonce);
  cipher.setAAD(purposeOctets(purpose));
  const sealed = Buffer.concat([cipher.update(key.reveal()), cipher.final(), cipher.getAuthTag()]);
  return { secret: first.id, nonce: nonce.toString('hex'), sealed: sealed.toString('hex') };
}

/**
 * Opens a sealed key.
 *
 * @param secrets none where this host was given none
 * @throws CidecarError KEY_SEALED, which says which secret is missing or does not fit
 */
export function openKey(
  { secret: id, nonce, sealed }: SealedKey,
  purpose: KeyPurpose,
  secrets: readonly ClusterSecrets[number][],
): Secret {
  const found = secrets.find((secret) => secret.id === id);
  if (found === undefined) {
    const has = secrets.length === 0 ? 'none' : secrets.map((secret) => secret.id).join(', ');
    throw new CidecarError(
      'KEY_SEALED',
      `is sealed under the cluster secret ${id}, which this host does not have (it has ${has})`,
    );
  }
  const octets = Buffer.from(sealed, 'hex');
  const decipher = createDecipheriv(CIPHER, found.secret.reveal(), Buffer.from(nonce, 'hex'));
  decipher.setAAD(purposeOctets(purpose));
  decipher.setAuthTag(octets.subarray(KEY_OCTETS));
  try {
    return new Secret(
      Buffer.concat([decipher.update(octets.subarray(0, KEY_OCTETS)), decipher.final()]),
    );
  } catch (cause) {
    throw new CidecarError(
      'KEY_SEALED',
      `cannot be opened by the cluster secret ${id} of this host: that is another secret with this ID, or the sealed key was changed or belongs to another pool or config`,
      { cause },
    );
  }
}

function purposeOctets({ pool, config, kind }: KeyPurpose): Buffer {
  return Buffer.from(JSON.stringify(['cidecar', LAYOUT_VERSION, pool, config, kind]));
}
