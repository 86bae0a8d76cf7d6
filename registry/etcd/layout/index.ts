// SPDX-License-Identifier: Apache-2.0
export * from './cluster-secret.js';
export { configDigest } from './digest.js';
export * from './events.js';
export * from './grants.js';
export * from './id-run.js';
export * from './keys.js';
export { readValue, valueText } from './read-value.js';
export * from './revision.js';
export {
  type KeyPurpose,
  openKey,
  type SealedKey,
  sealedKeyShape,
  sealKey,
} from './seal.js';
export { transaction } from './transaction.js';
export * from './values/config.js';
export * from './values/desired.js';
export * from './values/event.js';
export * from './values/fleet.js';
export * from './values/ids.js';
export * from './values/meta.js';
