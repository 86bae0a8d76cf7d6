// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto';
import { KatranCodec } from './schemes/katran.js';
import { QuicLbCodec } from './schemes/quic-lb.js';
import type { CidCodec, CidConfig, RandomFill } from './types.js';

export interface CodecOptions {
  /** Where random bits come from (unused low bits, server-use octets); tests pass their own. */
  readonly random?: RandomFill;
}

const systemRandom: RandomFill = (into) => {
  randomFillSync(into);
};

/**
 * Compiles a config. Throws CID_CONFIG_INVALID or KEY_INVALID, naming the field, when the
 * config breaks a rule of its scheme.
 */
export function createCodec(config: CidConfig, options: CodecOptions = {}): CidCodec {
  const random = options.random ?? systemRandom;
  switch (config.scheme) {
    case 'quic-lb':
      return new QuicLbCodec(config, random);
    case 'katran':
      return new KatranCodec(config, random);
  }
}
