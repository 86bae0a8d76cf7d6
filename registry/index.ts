// SPDX-License-Identifier: Apache-2.0
export { differences } from './differences.js';
export { type DocumentOptions, type ParsedDocument, parseDocument } from './document/document.js';
export { DocumentError } from './document/document-error.js';
export { type ReadKeyFile, readKey } from './document/keys.js';
export { MAX_DOCUMENT_OCTETS, MAX_KEY_FILE_OCTETS } from './document/limits.js';
export { type DocumentPlace, placesIn } from './document/lines.js';
export { packedIds, unpackIds } from './document/packed-ids.js';
export type { DocumentWarning } from './document/report.js';
export { readServerId } from './document/server-ids.js';
export { type DocumentSource, documentSource } from './file/document-source.js';
export { type FileRegistryOptions, openFileRegistry } from './file/file-registry.js';
export { readKeyFileOf } from './file/key-files.js';
export {
  isSavedEtcdState,
  isSavedState,
  type SavedStateOptions,
  savedState,
} from './last-good.js';
export { openRegistry } from './open.js';
export * from './transitions/index.js';
export * from './types.js';
export { vipAddresses } from './vip-addresses.js';
