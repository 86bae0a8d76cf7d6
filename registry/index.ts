// SPDX-License-Identifier: Apache-2.0
export { differences } from './differences.js';
export { type DocumentOptions, type ParsedDocument, parseDocument } from './document/document.js';
export { DocumentError } from './document/document-error.js';
export { type ReadKeyFile, readKey } from './document/keys.js';
export { MAX_KEY_FILE_OCTETS } from './document/limits.js';
export { packedIds, unpackIds } from './document/packed-ids.js';
export type { DocumentWarning } from './document/report.js';
export { readServerId } from './document/server-ids.js';
export { type FileRegistryOptions, openFileRegistry } from './file/file-registry.js';
export { serializeSource, stateFromSource } from './file/last-good.js';
export { openRegistry } from './open.js';
export * from './types.js';
