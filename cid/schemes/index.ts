// SPDX-License-Identifier: Apache-2.0
import type { CidCodec, RandomFill } from '../types.js';
import { awsNlb } from './aws-nlb.js';
import { KatranCodec, type KatranConfig, katran } from './katran.js';
import { QuicLbCodec, type QuicLbConfig, quicLb } from './quic-lb.js';
import type { Schemes } from './scheme.js';

/** In the order in which messages and --help list them. */
export const BUILT_IN_SCHEMES: Schemes = [quicLb, katran, awsNlb];

/** A config as code writes it down. People use documents, or options of cidctl, instead. */
export type CidConfig = QuicLbConfig | KatranConfig;

export interface CodecOptions {
  /** The source of random bits (unused low bits, server-use octets); tests pass their own. */
  readonly random?: RandomFill;
}

/**
 * Compiles a config. Throws CID_CONFIG_INVALID or KEY_INVALID, with the name of the field, if
 * the config breaks a rule of its scheme.
 */
export function createCodec(config: CidConfig, { random }: CodecOptions = {}): CidCodec {
  switch (config.scheme) {
    case 'quic-lb':
      return new QuicLbCodec(config, random);
    case 'katran':
      return new KatranCodec(config, random);
  }
}
