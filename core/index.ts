// SPDX-License-Identifier: Apache-2.0
export { type Address, type AddressReading, familyOf, readAddress } from './address.js';
export { Backoff, type BackoffOptions } from './backoff.js';
export { codeOf } from './error-code.js';
export {
  CidecarError,
  describeError,
  ERROR_CATALOGUE,
  type ErrorCode,
  type ErrorDetails,
  type ErrorPlace,
  exitCodeFor,
  exitCodeForDaemon,
} from './errors.js';
export { equalOctets, fromHex, toHex } from './hex.js';
export { parseJson } from './json.js';
export { makeFolders, removeFolders } from './make-folders.js';
export { SayOnce } from './say-once.js';
export { Secret } from './secret.js';
export { SerialWork } from './serial-work.js';
