// SPDX-License-Identifier: Apache-2.0
import {
  BatchCodec,
  BUILT_IN_SCHEMES,
  type CidCodec,
  configBitsOf,
  type DecodedCid,
  type DecodePlan,
  form,
  type LeaseTerms,
  type Scheme,
  type Schemes,
} from '../../cid/index.js';
import type { Secret } from '../../core/index.js';

/**
 * A scheme that nobody uses, to show that one file is all that a scheme takes. The server ID
 * stands in the clear at the end of the CID, where no other scheme has it; the nonce before it
 * is XORed with a secret that balancers do not need, so that no decode plan carries it.
 */
export const toy: Scheme = {
  name: 'toy',
  documentForm: form(
    {
      id: { kind: 'integer', minimum: 0, maximum: 6 },
      serverIdLength: { kind: 'one-of', values: [2, 3] },
      maskFile: { kind: 'key-file' },
    },
    ({ id, serverIdLength, maskFile }) => compile(new ToyCodec(id, serverIdLength, maskFile)),
  ),
  encodeForm: form(
    {
      mask: { kind: 'key-file', help: 'file of the mask' },
      toyId: { kind: 'integer', minimum: 0, maximum: 6, default: 5, help: 'config ID' },
    },
    ({ mask, toyId }, { serverIdLength }) => ({
      ...compile(new ToyCodec(toyId, serverIdLength, mask)),
      options: {},
    }),
  ),
  decodeForm: form(
    {
      mask: { kind: 'key-file', help: 'file of the mask', neededBecause: 'CIDs are masked' },
      toyId: { kind: 'integer', minimum: 0, maximum: 6, default: 5, help: 'config ID' },
    },
    ({ mask, toyId }, { cidLength }) =>
      compile(new ToyCodec(toyId, cidLength - 1 - NONCE_LENGTH, mask)),
  ),
};

export const SCHEMES: Schemes = [...BUILT_IN_SCHEMES, toy];

const NONCE_LENGTH = 6;

function compile(codec: ToyCodec) {
  return { codec, warnings: [{ field: 'maskFile', message: 'this is a toy' }] };
}

class ToyCodec extends BatchCodec implements CidCodec {
  readonly scheme = 'toy';
  readonly algorithm = 'masked';
  readonly nonceLength = NONCE_LENGTH;
  readonly serverIdLength: number;
  readonly cidLength: number;
  readonly decodePlan: DecodePlan;
  readonly secrets: readonly Secret[];
  readonly lease: LeaseTerms;

  constructor(configId: number, serverIdLength: number, mask: Secret) {
    super();
    this.serverIdLength = serverIdLength;
    this.cidLength = 1 + NONCE_LENGTH + serverIdLength;
    this.secrets = [mask];
    this.lease = { serverUseLength: 0, lengthSelfEncoded: false, key: mask };
    this.decodePlan = {
      kind: 'extract',
      configBits: [configId],
      minimumLength: this.cidLength,
      serverIdBitOffset: 8 * (1 + NONCE_LENGTH),
      serverIdBits: 8 * serverIdLength,
      blockLength: NONCE_LENGTH + serverIdLength,
      zeroReserved: false,
      key: null,
    };
  }

  decode(cid: Uint8Array): DecodedCid {
    if (cid.length < this.cidLength) return { routable: false, reason: 'too-short' };
    const configId = configBitsOf(cid[0] ?? 0);
    if (configId !== this.decodePlan.configBits[0])
      return { routable: false, reason: 'config-mismatch' };
    return {
      routable: true,
      configId,
      serverId: cid.slice(1 + NONCE_LENGTH, this.cidLength),
      nonce: cid.slice(1, 1 + NONCE_LENGTH).map((octet, i) => octet ^ this.#maskOf(i)),
      serverUse: new Uint8Array(0),
      algorithm: this.algorithm,
    };
  }

  protected writeCids(id: Uint8Array, nonces: Uint8Array, count: number, out: Uint8Array): void {
    for (let i = 0; i < count; i++) {
      const nonce = nonces.subarray(i * NONCE_LENGTH, (i + 1) * NONCE_LENGTH);
      const cid = out.subarray(i * this.cidLength, (i + 1) * this.cidLength);
      cid[0] = (this.decodePlan.configBits[0] ?? 0) << 5;
      cid.set(
        nonce.map((octet, j) => octet ^ this.#maskOf(j)),
        1,
      );
      cid.set(id, 1 + NONCE_LENGTH);
    }
  }

  #maskOf(index: number): number {
    return this.secrets[0]?.reveal()[index] ?? 0;
  }
}
