// SPDX-License-Identifier: Apache-2.0
export { type ReadKeyFile, readKey } from './configs.js';
export { type DocumentOptions, type ParsedDocument, parseDocument } from './document.js';
export { DocumentError } from './document-error.js';
export { type FileRegistryOptions, openFileRegistry } from './file-registry.js';
export { packedIds, unpackIds } from './packed-ids.js';
export type { DocumentWarning } from './report.js';
export * from './types.js';
