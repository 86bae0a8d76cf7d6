// SPDX-License-Identifier: Apache-2.0

import { CidecarError } from '../../core/errors.js';
import { configBitsOf, FAILOVER_CONFIG_ID } from '../first-octet.js';
import { requireIntegerIn } from '../require-integer.js';
import type {
  Algorithm,
  CidCodec,
  DecodedCid,
  DecodePlan,
  EncodeOptions,
  KatranConfig,
  RandomFill,
} from '../types.js';
import { checkServerUse, requireNonces, requireServerId } from './operands.js';
import { MAX_CID_LENGTH } from './quic-lb.js';

/** Octets: Katran looks for no server ID in a shorter DCID. */
export const KATRAN_MIN_CID_LENGTH = 8;

interface Layout {
  readonly algorithm: Algorithm;
  /** Octets of the host ID. */
  readonly hostIdLength: number;
  /** Bits of the CID before the host ID. */
  readonly hostIdBit: number;
}

const LAYOUTS: Readonly<Record<KatranConfig['version'], Layout>> = {
  1: { algorithm: 'katran-v1', hostIdLength: 2, hostIdBit: 2 },
  2: { algorithm: 'katran-v2', hostIdLength: 3, hostIdBit: 8 },
  3: { algorithm: 'katran-v3', hostIdLength: 4, hostIdBit: 8 },
};

/**
 * Katran's layouts as mvfst issues them. Bit 0 is the top bit of octet 0; n is cidLength.
 *
 * | | version | host ID | nonce | random |
 * |---|---|---|---|---|
 * | V1 | bits 0-1 | bits 2-17 | from bit 18, n - 3 octets | last 6 bits |
 * | V2 | bits 0-1 | bits 8-31 | from bit 32, n - 4 octets | bits 2-7 |
 * | V3 | bits 0-1 | bits 8-39 | from bit 40, n - 5 octets | bits 2-7 |
 *
 * So the nonce's octet 0 is mvfst's worker ID, and the top bit of octet 1 its process bit:
 * a server that demultiplexes by them chooses nonces accordingly. Every version leaves six
 * bits over, which make no whole octet: they are random, and not part of what is decoded.
 */
export class KatranCodec implements CidCodec {
  readonly config: KatranConfig;
  readonly algorithm: Algorithm;
  readonly cidLength: number;
  readonly serverIdLength: number;
  readonly nonceLength: number;
  readonly plan: DecodePlan;
  readonly #random: RandomFill;
  /** Bits by which V1's host ID and nonce lie across octets; 0 when they do not. */
  readonly #shift: number;

  constructor(config: KatranConfig, random: RandomFill) {
    checkKatranConfig(config);
    const layout = LAYOUTS[config.version];
    this.config = config;
    this.algorithm = layout.algorithm;
    this.cidLength = config.cidLength;
    this.serverIdLength = layout.hostIdLength;
    this.nonceLength = katranNonceLength(config);
    this.#random = random;
    this.#shift = layout.hostIdBit % 8;
    this.plan = {
      kind: 'extract',
      configBits: [config.version * 2, config.version * 2 + 1],
      minimumLength: KATRAN_MIN_CID_LENGTH,
      serverIdBitOffset: layout.hostIdBit,
      serverIdBits: 8 * layout.hostIdLength,
      blockLength: this.serverIdLength + this.nonceLength,
      zeroReserved: true,
      key: null,
    };
  }

  encode(serverId: Uint8Array, nonce: Uint8Array, options: EncodeOptions = {}): Uint8Array {
    if (options.serverUse !== undefined) checkServerUse(options.serverUse, 0);
    const out = new Uint8Array(this.cidLength);
    this.#encode(serverId, nonce, 1, out, options.random ?? this.#random);
    return out;
  }

  encodeBatch(serverId: Uint8Array, nonces: Uint8Array, count: number, out: Uint8Array): void {
    this.#encode(serverId, nonces, count, out, this.#random);
  }

  decode(cid: Uint8Array): DecodedCid {
    const first = cid[0];
    if (first === undefined) return { routable: false, reason: 'empty' };
    const bits = configBitsOf(first);
    if (!this.plan.configBits.includes(bits)) {
      const failover = bits === FAILOVER_CONFIG_ID;
      return { routable: false, reason: failover ? 'failover-config' : 'config-mismatch' };
    }
    if (cid.length < KATRAN_MIN_CID_LENGTH) return { routable: false, reason: 'too-short' };
    const { serverIdLength, nonceLength } = this;
    const serverId = new Uint8Array(serverIdLength);
    for (let j = 0; j < serverIdLength; j++) serverId[j] = this.#octetAt(cid, j);
    if (isZero(serverId)) return { routable: false, reason: 'reserved-server-id' };
    // A CID shorter than ours, but not too short, has fewer octets of nonce.
    const present = Math.min(nonceLength, cid.length - (this.cidLength - nonceLength));
    const nonce = new Uint8Array(present);
    for (let j = 0; j < present; j++) nonce[j] = this.#octetAt(cid, serverIdLength + j);
    return {
      routable: true,
      configId: this.config.version * 2,
      serverId,
      nonce,
      serverUse: new Uint8Array(0),
      algorithm: this.algorithm,
    };
  }

  checkServerId(serverId: Uint8Array): void {
    requireServerId(serverId, this.serverIdLength);
    if (isZero(serverId)) {
      throw new CidecarError('SERVER_ID_INVALID', 'host ID 0 is reserved: Katran never routes it');
    }
  }

  /** Octet `index` of hostId||nonce, wherever its bits lie. */
  #octetAt(cid: Uint8Array, index: number): number {
    if (this.#shift === 0) return cid[1 + index]!;
    return ((cid[index]! << this.#shift) | (cid[index + 1]! >> (8 - this.#shift))) & 0xff;
  }

  #encode(
    serverId: Uint8Array,
    nonces: Uint8Array,
    count: number,
    out: Uint8Array,
    random: RandomFill,
  ): void {
    this.checkServerId(serverId);
    requireNonces(this, nonces, count, out);
    const { cidLength, serverIdLength, nonceLength } = this;
    const version = this.config.version << 6;
    const spare = new Uint8Array(count);
    random(spare);
    for (let i = 0; i < count; i++) {
      const at = i * cidLength;
      const from = i * nonceLength;
      if (this.#shift === 0) {
        out[at] = version | (spare[i]! & 0x3f);
        for (let j = 0; j < serverIdLength; j++) out[at + 1 + j] = serverId[j]!;
        const to = at + 1 + serverIdLength;
        for (let j = 0; j < nonceLength; j++) out[to + j] = nonces[from + j]!;
        continue;
      }
      // V1: every octet of hostId||nonce gives its upper bits to one octet of the CID and
      // its lower ones to the next; the version bits come before, the spare bits behind.
      let carry = version;
      for (let j = 0; j < cidLength - 1; j++) {
        const octet = j < serverIdLength ? serverId[j]! : nonces[from + j - serverIdLength]!;
        out[at + j] = carry | (octet >> this.#shift);
        carry = (octet << (8 - this.#shift)) & 0xff;
      }
      out[at + cidLength - 1] = carry | (spare[i]! & 0x3f);
    }
  }
}

/** Octets of nonce in a Katran CID: whole octets behind the host ID. */
export function katranNonceLength(config: KatranConfig): number {
  return config.cidLength - 1 - LAYOUTS[config.version].hostIdLength;
}

/** Throws CID_CONFIG_INVALID, naming the field. */
export function checkKatranConfig(config: KatranConfig): void {
  requireIntegerIn('version', config.version, 1, 3);
  requireIntegerIn('cidLength', config.cidLength, KATRAN_MIN_CID_LENGTH, MAX_CID_LENGTH);
}

function isZero(octets: Uint8Array): boolean {
  return octets.every((octet) => octet === 0);
}
