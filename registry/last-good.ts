// SPDX-License-Identifier: Apache-2.0
import { isEtcdSource, stateFromEtcdSource } from './etcd/store/etcd-source.js';
import { keyringOf } from './etcd/store/keyring.js';
import { isDocumentSource, stateFromDocumentSource } from './file/document-source.js';
import type { DesiredState, NeedsKey } from './types.js';

/** Whether a text begins as what a {@link StateSource} wrote, which no YAML document does. */
export function isSavedState(text: string): boolean {
  return isDocumentSource(text) || isEtcdSource(text);
}

/** The same of a registry in etcd, whose keys are sealed in it. */
export function isSavedEtcdState(text: string): boolean {
  return isEtcdSource(text);
}

export interface SavedStateOptions {
  /** When it is aborted, the reading ends soon and rejects with its reason. */
  readonly signal: AbortSignal;
  /** Path of the file of cluster secrets, for a state of a registry that seals its keys. */
  readonly clusterSecret?: string | undefined;
  /** Which keys have to be there; every one if left out. */
  readonly needsKey?: NeedsKey | undefined;
}

/**
 * Makes a state again from what its {@link StateSource} wrote, whichever store it was of. Its
 * revision is the same as before.
 *
 * @param file name of the saved file, for messages, which never show its content
 * @throws CidecarError STATE_CORRUPT where it is no such file; a DocumentError where this version
 * refuses what it holds, or this host cannot open its keys
 */
export function savedState(
  saved: string,
  file: string,
  { signal, clusterSecret, needsKey }: SavedStateOptions,
): Promise<DesiredState> {
  if (!isEtcdSource(saved)) return stateFromDocumentSource(saved, file, { signal, needsKey });
  return stateFromEtcdSource(saved, file, { keyring: keyringOf(clusterSecret), needsKey, signal });
}
