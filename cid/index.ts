// SPDX-License-Identifier: Apache-2.0
export { type CodecOptions, createCodec } from './codec.js';
export { FAILOVER_MIN_CID_LENGTH, failoverCid, failoverCids } from './failover.js';
export { configBitsOf, FAILOVER_CONFIG_ID } from './first-octet.js';
export { KATRAN_MIN_CID_LENGTH, katranNonceLength } from './katran.js';
export { Minter, type MinterOptions, nonceSequenceOf, showsNonces } from './minter.js';
export { NonceSequence, noncesFromCounters, PERMUTATION_PASSES } from './nonce.js';
export { isOwn } from './own.js';
export {
  AWS_NLB,
  awsNlbProfile,
  formatAwsServerId,
  type Profile,
  parseAwsServerId,
} from './profiles.js';
export { MAX_CID_LENGTH } from './quic-lb.js';
export {
  hmacResetToken,
  RESET_TOKEN_LENGTH,
  type ResetTokenKind,
  ResetTokens,
  type TokenMaker,
  tokenMaker,
} from './reset-token.js';
export * from './types.js';
