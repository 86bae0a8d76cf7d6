// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import type { CidCodec, FailoverForm, ResetTokenKind } from '../../cid/index.js';
import type { Secret } from '../../core/index.js';

type Part = string | Uint8Array | readonly number[];

/**
 * Names nonce spaces and configs in the state file, which must hold no keys. A name is the
 * HMAC-SHA256 under a salt that only the state file holds, cut to 16 octets.
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
    return this.#of('space', codec.scheme, ...secretsOf(codec), serverId, [codec.nonceLength]);
  }

  /** The counters of the 0b111 CIDs of one form. */
  failover({ cidLength, zeroHostId, tailLength = 0 }: FailoverForm): string {
    return this.#of('failover', [cidLength, zeroHostId ? 1 : 0, tailLength]);
  }

  /** One meaning of a config ID. */
  config(configId: number, codec: CidCodec): string {
    return this.#of(...configParts(configId, codec));
  }

  /**
   * The same together with how its tokens are made. Where that changes, CIDs issued before
   * are void: their tokens, if made again, would not be the ones that they came with.
   *
   * @param resetKey null: the one made here, which the state keeps under `config()`
   */
  minting(
    configId: number,
    codec: CidCodec,
    resetKey: Secret | null,
    kind: ResetTokenKind,
  ): string {
    const key = resetKey === null ? [] : [resetKey.reveal()];
    const hmac = kind === 'cmac' ? [] : [kind];
    return this.#of(...configParts(configId, codec), ...key, ...hmac);
  }

  // Every part is preceded by its length, so that two different lists never hash the same octets.
  #of(...parts: Part[]): string {
    const hmac = createHmac('sha256', this.#salt);
    for (const part of parts) {
      const octets = typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part);
      hmac.update(Uint8Array.of(octets.length >> 8, octets.length & 0xff)).update(octets);
    }
    return hmac.digest('hex').slice(0, 32);
  }
}

function configParts(configId: number, codec: CidCodec): Part[] {
  const lengths = [configId, codec.cidLength, codec.serverIdLength, codec.nonceLength];
  return ['config', codec.algorithm, ...secretsOf(codec), lengths];
}

/** A config without a secret has one empty part instead. */
function secretsOf({ secrets }: CidCodec): Part[] {
  return secrets.length === 0 ? [new Uint8Array(0)] : secrets.map((secret) => secret.reveal());
}
