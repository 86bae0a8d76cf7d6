// SPDX-License-Identifier: Apache-2.0
import { CidecarError, type Secret, toHex } from '../../../core/index.js';
import type { ReadKeyFile } from '../../document/keys.js';
import { keyFileIn, sealedField } from '../layout/values/config.js';
import type { Assembly } from '../store/assembly.js';
import type { Keyring } from '../store/keyring.js';

/** The key files that a document named, by their names in it. */
export interface KeyFiles {
  readonly read: ReadKeyFile;
  readonly contents: ReadonlyMap<string, string>;
  /** Files that are not here: the keys in the registry stay. */
  readonly kept: readonly string[];
}

/**
 * Reads key files, and takes the key that is in the registry where a file is not here: who changes
 * the weight of a server need not have the keys. It is the key that has this file name there, and
 * only where that is one key.
 */
export function keptKeyFiles(read: ReadKeyFile, present: Assembly, keyring: Keyring): KeyFiles {
  const contents = new Map<string, string>();
  const kept: string[] = [];
  return {
    contents,
    kept,
    read: (path, warn) => {
      let content: string;
      try {
        content = read(path, warn);
      } catch (error) {
        const key = isUnreadable(error) ? keyNamed(path, present, keyring) : undefined;
        if (key === undefined) throw error;
        content = toHex(key.reveal());
        if (!kept.includes(path)) kept.push(path);
      }
      contents.set(path, content);
      return content;
    },
  };
}

function isUnreadable(error: unknown): boolean {
  return error instanceof CidecarError && error.code === 'FILE_UNREADABLE';
}

function keyNamed(path: string, { pools }: Assembly, keyring: Keyring): Secret | undefined {
  const keys: Secret[] = [];
  for (const { name: pool, configs } of pools) {
    for (const [config, { shape, sealed }] of configs.values) {
      for (const [field, key] of Object.entries(sealed)) {
        if (keyFileIn(shape, field) !== path) continue;
        keys.push(keyring.open(key, { pool, config, kind: sealedField(field) }));
      }
    }
  }
  const [first] = keys;
  return first !== undefined && keys.every((key) => key.equals(first)) ? first : undefined;
}
