// SPDX-License-Identifier: Apache-2.0
export { type CodecOptions, createCodec } from './codec.js';
export * from './errors.js';
export { configBitsOf, FAILOVER_CONFIG_ID } from './first-octet.js';
export { equalOctets, fromHex, toHex } from './hex.js';
export { KATRAN_MIN_CID_LENGTH, katranNonceLength } from './katran.js';
export { MAX_CID_LENGTH } from './quic-lb.js';
export * from './secret.js';
export * from './types.js';
