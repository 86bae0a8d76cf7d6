// SPDX-License-Identifier: Apache-2.0

import { CidecarError } from '../../core/errors.js';
import { MAX_CID_LENGTH } from '../cid-length.js';
import { configBitsOf, FAILOVER_CONFIG_ID } from '../first-octet.js';
import { checkInteger } from '../integer-range.js';
import type { CidCodec, DecodedCid, DecodePlan, LeaseTerms, RandomFill } from '../types.js';
import { BatchCodec } from './batch-codec.js';
import { form, type Scheme } from './scheme.js';

/** Katran's layouts, as mvfst issues them. */
export interface KatranConfig {
  readonly scheme: 'katran';
  /** Top two bits of the first octet; the host ID has 16, 24 or 32 bits. */
  readonly version: 1 | 2 | 3;
  /** Octets of the whole CID, 8..20. Katran reads no DCID shorter than 8. */
  readonly cidLength: number;
}

const VERSIONS = { minimum: 1, maximum: 3 } as const;

/** Octets: Katran looks for no server ID in a shorter DCID. */
const MIN_CID_LENGTH = 8;
const CID_LENGTHS = { minimum: MIN_CID_LENGTH, maximum: MAX_CID_LENGTH } as const;

const VERSION_FLAG = {
  kind: 'integer',
  ...VERSIONS,
  default: 1,
  help: 'version, 1 to 3 (default: 1)',
} as const;

export const katran: Scheme = {
  name: 'katran',

  document: form(
    {
      /** Follows from the version; may be given, and must then agree. */
      id: { kind: 'integer', minimum: 0, maximum: FAILOVER_CONFIG_ID - 1, optional: true },
      version: { kind: 'one-of', values: [1, 2, 3] },
      cidLength: { kind: 'integer', ...CID_LENGTHS, default: MIN_CID_LENGTH },
    },
    ({ version, cidLength }) => readingOf(version, cidLength),
  ),

  // mvfst has no word for what follows the host ID, so cidctl may be given fewer octets of
  // nonce (a worker ID, say) than a CID has room for.
  encode: form(
    {
      version: VERSION_FLAG,
      cidLength: {
        kind: 'integer',
        ...CID_LENGTHS,
        optional: true,
        help: 'octets of the CID, 8 to 20',
      },
    },
    ({ version, cidLength }, { nonceLength }) => {
      const { hostIdLength } = LAYOUTS[versionOf(version)];
      const needed = 1 + hostIdLength + (nonceLength ?? 0);
      const length = cidLength ?? Math.max(MIN_CID_LENGTH, needed);
      return { ...readingOf(versionOf(version), length), options: {} };
    },
  ),

  decode: form({ version: VERSION_FLAG }, ({ version }, { cidLength }) =>
    readingOf(versionOf(version), Math.max(MIN_CID_LENGTH, cidLength)),
  ),
};

function readingOf(version: KatranConfig['version'], cidLength: number) {
  return { codec: new KatranCodec({ scheme: 'katran', version, cidLength }), warnings: [] };
}

/** The bounds of the option make it one. */
function versionOf(option: number): KatranConfig['version'] {
  return option as KatranConfig['version'];
}

interface Layout {
  readonly algorithm: 'katran-v1' | 'katran-v2' | 'katran-v3';
  /** Octets of the host ID. */
  readonly hostIdLength: number;
  /** Bits of the CID before the host ID. */
  readonly hostIdBit: number;
}

/** By version. */
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
export class KatranCodec extends BatchCodec implements CidCodec {
  readonly scheme = 'katran';
  readonly algorithm: Layout['algorithm'];
  readonly cidLength: number;
  readonly serverIdLength: number;
  readonly nonceLength: number;
  readonly plan: DecodePlan;
  readonly secrets = [];
  readonly lease: LeaseTerms = { serverUseLength: 0, lengthSelfEncoded: false, key: null };
  readonly #version: number;
  /** Bits by which V1's host ID and nonce lie across octets; 0 when they do not. */
  readonly #shift: number;

  /** Throws CID_CONFIG_INVALID, naming the field. */
  constructor(config: KatranConfig, random?: RandomFill) {
    super(random);
    checkInteger('version', config.version, VERSIONS);
    checkInteger('cidLength', config.cidLength, CID_LENGTHS);
    const layout = LAYOUTS[config.version];
    this.algorithm = layout.algorithm;
    this.cidLength = config.cidLength;
    this.serverIdLength = layout.hostIdLength;
    this.nonceLength = config.cidLength - 1 - layout.hostIdLength;
    this.#version = config.version;
    this.#shift = layout.hostIdBit % 8;
    this.plan = {
      kind: 'extract',
      // V3 so reads CIDs that begin with 0b111, and host ID 0 is how they escape it.
      configBits: [config.version * 2, config.version * 2 + 1],
      minimumLength: MIN_CID_LENGTH,
      serverIdBitOffset: layout.hostIdBit,
      serverIdBits: 8 * layout.hostIdLength,
      blockLength: this.serverIdLength + this.nonceLength,
      zeroReserved: true,
      key: null,
    };
  }

  decode(cid: Uint8Array): DecodedCid {
    const first = cid[0];
    if (first === undefined) return { routable: false, reason: 'empty' };
    const bits = configBitsOf(first);
    if (!this.plan.configBits.includes(bits)) {
      const failover = bits === FAILOVER_CONFIG_ID;
      return { routable: false, reason: failover ? 'failover-config' : 'config-mismatch' };
    }
    if (cid.length < MIN_CID_LENGTH) return { routable: false, reason: 'too-short' };
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
      configId: this.#version * 2,
      serverId,
      nonce,
      serverUse: new Uint8Array(0),
      algorithm: this.algorithm,
    };
  }

  override checkServerId(serverId: Uint8Array): void {
    super.checkServerId(serverId);
    if (isZero(serverId)) {
      throw new CidecarError('SERVER_ID_INVALID', 'host ID 0 is reserved: Katran never routes it');
    }
  }

  /** Octet `index` of hostId||nonce, wherever its bits lie. */
  #octetAt(cid: Uint8Array, index: number): number {
    if (this.#shift === 0) return cid[1 + index]!;
    return ((cid[index]! << this.#shift) | (cid[index + 1]! >> (8 - this.#shift))) & 0xff;
  }

  protected writeCids(
    serverId: Uint8Array,
    nonces: Uint8Array,
    count: number,
    out: Uint8Array,
    random: RandomFill,
  ): void {
    const { cidLength, serverIdLength, nonceLength } = this;
    const version = this.#version << 6;
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
      // its lower ones to the next; the version bits come before, the spare bits after.
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

function isZero(octets: Uint8Array): boolean {
  return octets.every((octet) => octet === 0);
}
