// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../core/index.js';
import { openFileRegistry } from './file/file-registry.js';
import type { Registry, RegistryOptions } from './types.js';

// A second registry store is one folder beside file/, and one line below. It has to
// - implement Registry: read() and watch() hand out whole states that are valid, and reject or
//   report everything else with a CidecarError that says where the fault lies;
// - validate with document/, so that the same mistake has the same message in every store;
// - make revisions by the same rule, so that hosts can be compared (see DesiredState.revision);
// - go on by itself after its source was out of reach (REGISTRY_UNAVAILABLE): daemons keep
//   working with the last good state and never call watch() twice.

/** `scheme://...` is the address of a store; everything else is the path of a file. */
const ADDRESS = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * Opens what a `--registry` says: the path of a document. Nothing is read yet. Throws
 * ARGUMENT_INVALID for the address of a store that this version does not support.
 */
export function openRegistry(where: string, options: RegistryOptions = {}): Registry {
  if (!ADDRESS.test(where)) return openFileRegistry(where, options);
  throw new CidecarError(
    'ARGUMENT_INVALID',
    `the registry ${withoutCredentials(where)} is not supported by this version: give the path of a document`,
  );
}

/** `scheme://host...` of an address, which may hold a user and a password. */
function withoutCredentials(address: string): string {
  return address.replace(/\/\/[^/?#]*@/, '//');
}
