// SPDX-License-Identifier: Apache-2.0
import { CidecarError, type Secret } from '../../../core/index.js';
import { type ClusterSecrets, readClusterSecrets } from '../layout/cluster-secret.js';
import { type KeyPurpose, newKey, openKey, type SealedKey, sealKey } from '../layout/seal.js';

/**
 * The cluster secrets of this host. The file is read again when a key asks for a secret that was
 * not in it, so that a secret can be changed while daemons run.
 */
export class Keyring {
  readonly #read: () => readonly ClusterSecrets[number][];
  #secrets: readonly ClusterSecrets[number][] | undefined;

  /** @param read reads the file; for a host without one, gives none */
  constructor(read: () => readonly ClusterSecrets[number][]) {
    this.#read = read;
  }

  /** Throws FILE_UNREADABLE, CLUSTER_SECRET_INVALID or KEY_SEALED. */
  open(sealed: SealedKey, purpose: KeyPurpose): Secret {
    const known = this.#secrets?.some(({ id }) => id === sealed.secret) ?? false;
    if (!known) this.#secrets = this.#read();
    return openKey(sealed, purpose, this.#secrets ?? []);
  }

  /**
   * Makes a key and seals it under the first secret of the file, which is read again. Throws as
   * `open` does; KEY_SEALED where this host has no secret.
   */
  sealNewKey(purpose: KeyPurpose): SealedKey {
    const [first, ...others] = this.#read();
    if (first === undefined) {
      const message = 'a key cannot be sealed: this host has no cluster secret (--cluster-secret)';
      throw new CidecarError('KEY_SEALED', message);
    }
    this.#secrets = [first, ...others];
    return sealKey(newKey(), purpose, [first, ...others]);
  }

  /** The next key that is opened has the file read again. */
  forget(): void {
    this.#secrets = undefined;
  }
}

/**
 * @param file path of the file of cluster secrets; without it only a registry without keys can be
 * read
 * @param warn receives what is allowed and looks like a mistake
 */
export function keyringOf(file: string | undefined, warn?: (message: string) => void): Keyring {
  return new Keyring(() => (file === undefined ? [] : readClusterSecrets(file, warn)));
}
