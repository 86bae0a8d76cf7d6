// SPDX-License-Identifier: Apache-2.0
import type { CidCodec, RandomFill } from '../types.js';
import { awsNlb } from './aws-nlb.js';
import { KatranCodec, type KatranConfig, katran } from './katran.js';
import { QuicLbCodec, type QuicLbConfig, quicLb } from './quic-lb.js';
import type { Schemes } from './scheme.js';

/** What documents and cidctl can choose from, in the order in which messages list them. */
export const BUILT_IN_SCHEMES: Schemes = [quicLb, katran, awsNlb];

/** A config that code writes down. People do it by a document or by options of cidctl. */
export type CidConfig = QuicLbConfig | KatranConfig;

export interface CodecOptions {
  /** Where random bits come from (unused low bits, server-use octets); tests pass their own. */
  readonly random?: RandomFill;
}

/**
 * Compiles a config. Throws CID_CONFIG_INVALID or KEY_INVALID, naming the field, when the
 * config breaks a rule of its scheme.
 */
export function createCodec(config: CidConfig, { random }: CodecOptions = {}): CidCodec {
  switch (config.scheme) {
    case 'quic-lb':
      return new QuicLbCodec(config, random);
    case 'katran':
      return new KatranCodec(config, random);
  }
}
