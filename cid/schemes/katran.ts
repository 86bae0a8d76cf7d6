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
  /** Top two bits of the first octet; with it the host ID has 16, 24 or 32 bits. */
  readonly version: 1 | 2 | 3;
  /** Octets of the whole CID, 8..20. Katran reads no DCID shorter than 8. */
  readonly cidLength: number;
}

const VERSIONS = { minimum: 1, maximum: 3 } as const;

/** Octets. Katran looks for no server ID in a shorter DCID. */
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

  documentForm: form(
    {
      // Follows from the version. A document may give it all the same, and must then agree.
      id: { kind: 'integer', minimum: 0, maximum: FAILOVER_CONFIG_ID - 1, optional: true },
      version: { kind: 'one-of', values: [1, 2, 3] },
      cidLength: { kind: 'integer', ...CID_LENGTHS, default: MIN_CID_LENGTH },
    },
    ({ version, cidLength }) => compile(version, cidLength),
  ),

  // A person may give fewer octets of nonce (only a worker ID, for example) than a CID has
  // room for, and cidctl then completes them.
  encodeForm: form(
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
      return { ...compile(versionOf(version), length), options: {} };
    },
  ),

  decodeForm: form({ version: VERSION_FLAG }, ({ version }, { cidLength }) =>
    compile(versionOf(version), Math.max(MIN_CID_LENGTH, cidLength)),
  ),
};

function compile(version: KatranConfig['version'], cidLength: number) {
  return { codec: new KatranCodec({ scheme: 'katran', version, cidLength }), warnings: [] };
}

/** The bounds of the option guarantee the type. */
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
 * So octet 0 of the nonce is mvfst's worker ID, and the top bit of octet 1 its process bit. A
 * sidecar lets nobody choose them: a counter for each worker, and one for all who name none,
 * would make the same nonce. A server that demultiplexes by them needs a host ID for each worker. In every version six
 * bits remain, which are less than an octet; they are random, and `decode` ignores them.
 */
export class KatranCodec extends BatchCodec implements CidCodec {
  readonly scheme = 'katran';
  readonly algorithm: Layout['algorithm'];
  readonly cidLength: number;
  readonly serverIdLength: number;
  readonly nonceLength: number;
  readonly decodePlan: DecodePlan;
  readonly secrets = [];
  readonly lease: LeaseTerms = { serverUseLength: 0, lengthSelfEncoded: false, key: null };
  readonly #version: KatranConfig['version'];
  /** Bits by which host ID and nonce are shifted against octets: 2 in V1, otherwise 0. */
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
    this.decodePlan = {
      kind: 'extract',
      // V3 claims 0b111. CIDs that mean failover have host ID 0 in its pools, and so do not route.
      configBits: [config.version * 2, config.version * 2 + 1],
      minimumLength: MIN_CID_LENGTH,
      serverIdBitOffset: layout.hostIdBit,
      serverIdBits: 8 * layout.hostIdLength,
      blockLength: this.serverIdLength + this.nonceLength,
      zeroReserved: true,
      key: null,
    };
  }

  /** With more or fewer octets of nonce, which is a nonce space of its own. */
  ofLength(cidLength: number): KatranCodec | undefined {
    if (cidLength < MIN_CID_LENGTH || cidLength > MAX_CID_LENGTH) return undefined;
    return new KatranCodec({ scheme: 'katran', version: this.#version, cidLength });
  }

  decode(cid: Uint8Array): DecodedCid {
    const first = cid[0];
    if (first === undefined) return { routable: false, reason: 'empty' };
    const bits = configBitsOf(first);
    if (!this.decodePlan.configBits.includes(bits)) {
      const failover = bits === FAILOVER_CONFIG_ID;
      return { routable: false, reason: failover ? 'failover-config' : 'config-mismatch' };
    }
    if (cid.length < MIN_CID_LENGTH) return { routable: false, reason: 'too-short' };
    const { serverIdLength, nonceLength } = this;
    const serverId = new Uint8Array(serverIdLength);
    for (let j = 0; j < serverIdLength; j++) serverId[j] = this.#octetAt(cid, j);
    if (isZero(serverId)) return { routable: false, reason: 'reserved-server-id' };
    // A CID that is shorter than ours but long enough to route has fewer octets of nonce.
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

  /** Octet `index` of hostId||nonce, whose bits may lie in two octets of the CID. */
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
      // V1: the upper bits of every octet of hostId||nonce go into one octet of the CID, and
      // the lower bits into the next one. The version bits come first, the spare bits last.
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
