// SPDX-License-Identifier: Apache-2.0
export { type CodecOptions, createCodec } from './codec.js';
export { configBitsOf, FAILOVER_CONFIG_ID } from './first-octet.js';
export { FAILOVER_MIN_CID_LENGTH, failoverCid, failoverCids } from './minting/failover.js';
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
export {
  AWS_NLB,
  awsNlbProfile,
  formatAwsServerId,
  type Profile,
  parseAwsServerId,
} from './schemes/aws-nlb.js';
export { KATRAN_MIN_CID_LENGTH, katranNonceLength } from './schemes/katran.js';
export { MAX_CID_LENGTH } from './schemes/quic-lb.js';
export * from './types.js';
