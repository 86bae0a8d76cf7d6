// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../cid/index.js';
import { isEtcdSource, stateFromEtcdSource } from './etcd/store/etcd-source.js';
import { keyringOf } from './etcd/store/keyring.js';
import { stateFromDocumentSource } from './file/document-source.js';
import type { DesiredState } from './types.js';

export interface SavedStateOptions {
  readonly schemes?: Schemes;
  /** Path of the file of cluster secrets, for a state of a registry that seals its keys. */
  readonly clusterSecret?: string | undefined;
}

/**
 * Makes a state again from what its {@link StateSource} wrote, whichever store it was of.
 *
 * @param file name of the saved file, for messages, which never show its content
 * @throws CidecarError STATE_CORRUPT where it is no such file; a DocumentError where this version
 * refuses what it holds, or this host cannot open its keys
 */
export function savedState(
  saved: string,
  file: string,
  { schemes, clusterSecret }: SavedStateOptions = {},
): DesiredState {
  if (!isEtcdSource(saved)) return stateFromDocumentSource(saved, file, schemes);
  const keyring = keyringOf(clusterSecret);
  return stateFromEtcdSource(saved, file, { keyring, ...(schemes && { schemes }) });
}
