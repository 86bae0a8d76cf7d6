// SPDX-License-Identifier: Apache-2.0

import { fromHex } from '../../core/hex.js';
import { Secret } from '../../core/secret.js';
import type { QuicLbConfig } from '../schemes/quic-lb.js';
import ownVectors from '../testdata/cidecar.json' with { type: 'json' };
import vectors from '../testdata/draft-22.json' with { type: 'json' };

export { ownVectors, vectors };

export const hex = (text: string): Uint8Array => fromHex(text, 'test data');

/** A QUIC-LB config whose lengths follow from a server ID and a nonce, in hex. */
export function configOf(of: {
  configId: number;
  sid: string;
  nonce: string;
  key?: string;
  lengthSelfEncoded?: boolean;
}): QuicLbConfig {
  return {
    scheme: 'quic-lb',
    configId: of.configId,
    serverIdLength: of.sid.length / 2,
    nonceLength: of.nonce.length / 2,
    serverUseLength: 0,
    lengthSelfEncoded: of.lengthSelfEncoded ?? true,
    key: of.key === undefined ? null : new Secret(hex(of.key)),
  };
}
