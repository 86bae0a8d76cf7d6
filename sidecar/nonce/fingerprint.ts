// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import type { CidCodec } from '../../cid/index.js';

/**
 * Names nonce spaces and configs in the state file without storing a key: HMAC-SHA256
 * under a salt that only the state file holds, cut to 16 octets.
 */
export class Fingerprints {
  readonly #salt: Uint8Array;

  constructor(salt: Uint8Array) {
    this.#salt = salt;
  }

  /**
   * The nonce space of a server ID. The config ID is not part of it: a new config with the
   * same key continues in the same space (draft-ietf-quic-load-balancers-22, "CID Entropy").
   */
  space(codec: CidCodec, serverId: Uint8Array): string {
    return this.#of('space', codec.config.scheme, secretOf(codec), serverId, [codec.nonceLength]);
  }

  /** One meaning of a config ID. */
  config(configId: number, codec: CidCodec): string {
    const lengths = [configId, codec.cidLength, codec.serverIdLength, codec.nonceLength];
    return this.#of('config', codec.algorithm, secretOf(codec), lengths);
  }

  // Every part goes in with its length, so that no two lists of parts run together.
  #of(...parts: (string | Uint8Array | readonly number[])[]): string {
    const hmac = createHmac('sha256', this.#salt);
    for (const part of parts) {
      const octets = typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part);
      hmac.update(Uint8Array.of(octets.length >> 8, octets.length & 0xff)).update(octets);
    }
    return hmac.digest('hex').slice(0, 32);
  }
}

function secretOf(codec: CidCodec): Uint8Array {
  return codec.config.scheme === 'quic-lb' && codec.config.key !== null
    ? codec.config.key.reveal()
    : new Uint8Array(0);
}
