// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../core/index.js';
import { isEtcdAddress } from './etcd/client/index.js';
import { openEtcdRegistry } from './etcd/open.js';
import { openFileRegistry } from './file/file-registry.js';
import type { Registry, RegistryOptions } from './types.js';

// A registry store is a folder beside file/ and etcd/, and a line below. What it has to do:
// - It implements Registry: read() and watch() hand out whole states that are valid, and reject
//   or report everything else with a CidecarError that says where the fault lies.
// - It checks what it has by the code of document/, as a whole (parseDocumentInSlices) or piece by
//   piece, so that the same mistake has the same message in every store.
// - Its revisions can be compared between hosts: they come from parseDocument, or from a store
//   that counts for all hosts (etcd/layout/revision.ts).
// - What a watch reports, and what not, is decided by WatchReports (watch-reports.ts): the store
//   passes each state and each error to it.
// - While its source is out of reach it reports REGISTRY_UNAVAILABLE, and read() rejects with
//   that. It tries again by itself for as long as that lasts, because daemons keep working with
//   the last good state and never call watch() twice. (The file store has no source that can be
//   out of reach: a file that cannot be read is FILE_UNREADABLE.)

/** `scheme://...` is the address of a store; everything else is the path of a file. */
const ADDRESS = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * Opens what a `--registry` says: the path of a document, or the address of etcd. Nothing is read
 * yet, except for the options of a connection. Throws ARGUMENT_INVALID for the address of a store
 * that this version does not support, and what is wrong with the options.
 */
export function openRegistry(where: string, options: RegistryOptions = {}): Registry {
  if (isEtcdAddress(where)) return openEtcdRegistry(where, options);
  if (!ADDRESS.test(where)) {
    const name = options.registryOptions === undefined ? '--cluster-secret' : '--registry-options';
    if (options.registryOptions !== undefined || options.clusterSecret !== undefined) {
      throw new CidecarError('ARGUMENT_INVALID', `${name} is for the address of etcd, not a file`);
    }
    return openFileRegistry(where, options);
  }
  throw new CidecarError(
    'ARGUMENT_INVALID',
    `the registry ${withoutCredentials(where)} is not supported by this version: give the path of a document, or etcd://HOST:2379`,
  );
}

/** `scheme://host...` of an address, which may hold a user and a password. */
function withoutCredentials(address: string): string {
  return address.replace(/\/\/[^/?#]*@/, '//');
}
