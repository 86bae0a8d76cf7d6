// SPDX-License-Identifier: Apache-2.0
export { MAX_CID_LENGTH } from './cid-length.js';
export { configBitsOf, FAILOVER_CONFIG_ID } from './first-octet.js';
export {
  claimsFailover,
  FAILOVER_MIN_CID_LENGTH,
  FAILOVER_ZEROES,
  failoverCid,
  failoverCids,
} from './minting/failover.js';
export {
  type FailoverForm,
  FailoverSequence,
  failoverBodyLength,
} from './minting/failover-sequence.js';
export { isOwn } from './minting/is-own.js';
export { Minter, type MinterOptions, nonceSequenceOf, showsNonces } from './minting/minter.js';
export { NonceSequence, noncesFromCounters, PERMUTATION_PASSES } from './minting/nonce-sequence.js';
export {
  hmacResetToken,
  RESET_TOKEN_LENGTH,
  type ResetTokenKind,
  ResetTokens,
  type TokenMaker,
  tokenMaker,
} from './minting/reset-tokens.js';
export { BatchCodec } from './schemes/batch-codec.js';
export type { DocumentField, FieldValue, FieldValues, Flag } from './schemes/fields.js';
export {
  BUILT_IN_SCHEMES,
  type CidConfig,
  type CodecOptions,
  createCodec,
} from './schemes/index.js';
export type { KatranConfig } from './schemes/katran.js';
export { codecOfLease, type LeasedConfig } from './schemes/leased.js';
export type { QuicLbConfig } from './schemes/quic-lb.js';
export * from './schemes/scheme.js';
export * from './types.js';
