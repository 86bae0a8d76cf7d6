// SPDX-License-Identifier: Apache-2.0

import { CidecarError } from '../../core/errors.js';
import type { Secret } from '../../core/secret.js';
import { MAX_CID_LENGTH } from '../cid-length.js';
import { BLOCK } from '../crypto/aes.js';
import { Feistel } from '../crypto/feistel.js';
import { SinglePass } from '../crypto/single-pass.js';
import { copyStrings } from '../crypto/strided-copy.js';
import { configBitsOf, FAILOVER_CONFIG_ID, firstOctet, randomiseLowBits } from '../first-octet.js';
import { checkInteger } from '../integer-range.js';
import type { CidCodec, DecodedCid, DecodePlan, LeaseTerms, RandomFill } from '../types.js';
import { BatchCodec } from './batch-codec.js';
import { form, type Scheme } from './scheme.js';

/**
 * A QUIC-LB config (draft-ietf-quic-load-balancers-22, "CID format"). Without a key the CID is
 * plaintext. With a key it is encrypted in a single pass if server ID and nonce have 16 octets
 * together, and in four passes otherwise.
 */
export interface QuicLbConfig {
  readonly scheme: 'quic-lb';
  /** Top three bits of the first octet, 0..6. 7 (0b111) is never a config. */
  readonly configId: number;
  /** Octets, 1..15. */
  readonly serverIdLength: number;
  /** Octets, 4..18; serverIdLength + nonceLength <= 19. */
  readonly nonceLength: number;
  /** Octets that the server appends for itself; the CID has at most 20 octets. */
  readonly serverUseLength: number;
  /** Whether the low five bits of the first octet carry the length of what follows. */
  readonly lengthSelfEncoded: boolean;
  /** 16 octets, or null for plaintext. */
  readonly key: Secret | null;
}

/** draft-ietf-quic-load-balancers-22, "Configuration Agent Actions". */
const RANGES = {
  configId: { minimum: 0, maximum: FAILOVER_CONFIG_ID - 1 },
  serverIdLength: { minimum: 1, maximum: 15 },
  nonceLength: { minimum: 4, maximum: 18 },
  serverUseLength: { minimum: 0, maximum: 14 },
} as const;

/** The most octets that server ID and nonce may have together. */
const MAX_BLOCK_LENGTH = MAX_CID_LENGTH - 1;

/** Octets of a nonce that cidctl makes up: so many that random ones rarely collide. */
const USUAL_NONCE_LENGTH = 7;

/** Number of passes of "Four-Pass Encryption". */
const FOUR_PASSES = 4;

// Options of cidctl. The exported ones are those of aws-nlb too.
const CONFIG_ID_FLAG = {
  kind: 'integer',
  ...RANGES.configId,
  default: 0,
  help: 'config ID, 0 to 6 (default: 0)',
} as const;
const KEY_FILE_FLAG = {
  kind: 'key-file',
  optional: true,
  help: 'file of 32 hex digits; without it, plaintext',
} as const;
export const LENGTH_FLAG = {
  kind: 'yes-no',
  default: true,
  help: 'the first octet does not carry the length of the rest',
} as const;
export const SERVER_USE_FLAG = {
  kind: 'octets',
  optional: true,
  help: 'octets that the server appends for itself',
} as const;

const LENGTHS_UNSAID = 'a CID does not say its lengths';

export const quicLb: Scheme = {
  name: 'quic-lb',

  documentForm: form(
    {
      id: {
        kind: 'integer',
        ...RANGES.configId,
        note: ' (7 is 0b111, which never is a config)',
      },
      serverIdLength: { kind: 'integer', ...RANGES.serverIdLength },
      nonceLength: { kind: 'integer', ...RANGES.nonceLength },
      serverUseLength: { kind: 'integer', ...RANGES.serverUseLength, default: 0 },
      lengthSelfEncoded: { kind: 'yes-no', default: true },
      keyFile: { kind: 'key-file', optional: true },
    },
    ({ id, keyFile, ...lengths }) =>
      compile({ scheme: 'quic-lb', configId: id, ...lengths, key: keyFile ?? null }),
  ),

  encodeForm: form(
    {
      configId: CONFIG_ID_FLAG,
      keyFile: KEY_FILE_FLAG,
      length: LENGTH_FLAG,
      serverUse: SERVER_USE_FLAG,
    },
    ({ configId, keyFile, length, serverUse }, { serverIdLength, nonceLength }) => {
      const serverUseLength = serverUse?.length ?? 0;
      const room = MAX_BLOCK_LENGTH - serverIdLength - serverUseLength;
      const usual = Math.max(RANGES.nonceLength.minimum, Math.min(USUAL_NONCE_LENGTH, room));
      const reading = compile({
        scheme: 'quic-lb',
        configId,
        serverIdLength,
        nonceLength: nonceLength ?? usual,
        serverUseLength,
        lengthSelfEncoded: length,
        key: keyFile ?? null,
      });
      return { ...reading, options: serverUse === undefined ? {} : { serverUse } };
    },
  ),

  decodeForm: form(
    {
      configId: CONFIG_ID_FLAG,
      keyFile: KEY_FILE_FLAG,
      length: LENGTH_FLAG,
      serverIdLength: {
        kind: 'integer',
        ...RANGES.serverIdLength,
        help: 'octets, 1 to 15',
        neededBecause: LENGTHS_UNSAID,
      },
      nonceLength: {
        kind: 'integer',
        ...RANGES.nonceLength,
        help: 'octets, 4 to 18',
        neededBecause: LENGTHS_UNSAID,
      },
    },
    ({ configId, keyFile, length, serverIdLength, nonceLength }, { cidLength }) =>
      compile({
        scheme: 'quic-lb',
        configId,
        serverIdLength,
        nonceLength,
        serverUseLength: lengthAfter(1 + serverIdLength + nonceLength, cidLength),
        lengthSelfEncoded: length,
        key: keyFile ?? null,
      }),
  ),
};

/**
 * Octets that a CID of `cidLength` has after its nonce, which ends at `end`. We take them for
 * server-use octets; a balancer does not look at them.
 */
export function lengthAfter(end: number, cidLength: number): number {
  return Math.max(0, cidLength - end);
}

function compile(config: QuicLbConfig) {
  return { codec: new QuicLbCodec(config), warnings: [] };
}

/** Works in place, on the sid||nonce of packed CIDs. */
interface BlockCipher {
  encrypt(packed: Uint8Array, offset: number, stride: number, count: number): void;
  decrypt(packed: Uint8Array, offset: number, stride: number, count: number): void;
}

/** The codec of draft-ietf-quic-load-balancers-22. */
export class QuicLbCodec extends BatchCodec implements CidCodec {
  readonly scheme = 'quic-lb';
  readonly algorithm: 'plaintext' | 'single-pass' | 'four-pass';
  readonly cidLength: number;
  readonly serverIdLength: number;
  readonly nonceLength: number;
  readonly decodePlan: DecodePlan;
  readonly secrets: readonly Secret[];
  readonly lease: LeaseTerms;
  readonly #config: QuicLbConfig;
  readonly #cipher: BlockCipher | null;

  /** Throws CID_CONFIG_INVALID or KEY_INVALID, naming the field. */
  constructor(config: QuicLbConfig, random?: RandomFill) {
    super(random);
    checkConfig(config);
    const { configId, serverIdLength, nonceLength, serverUseLength, key } = config;
    const blockLength = serverIdLength + nonceLength;
    this.serverIdLength = serverIdLength;
    this.nonceLength = nonceLength;
    this.cidLength = 1 + blockLength + serverUseLength;
    this.secrets = key === null ? [] : [key];
    this.lease = { serverUseLength, lengthSelfEncoded: config.lengthSelfEncoded, key };
    this.#config = config;

    let kind: DecodePlan['kind'];
    if (key === null) {
      this.algorithm = 'plaintext';
      this.#cipher = null;
      kind = 'extract';
    } else if (blockLength === BLOCK) {
      this.algorithm = kind = 'single-pass';
      this.#cipher = new SinglePass(key);
    } else {
      this.algorithm = kind = 'four-pass';
      this.#cipher = new Feistel(key, blockLength, FOUR_PASSES);
    }
    this.decodePlan = {
      kind,
      configBits: [configId],
      // A balancer never needs the server-use octets.
      minimumLength: 1 + blockLength,
      serverIdBitOffset: kind === 'extract' ? 8 : 0,
      serverIdBits: 8 * serverIdLength,
      blockLength,
      zeroReserved: false,
      key,
    };
  }

  /** With more or fewer server-use octets. */
  ofLength(cidLength: number): QuicLbCodec | undefined {
    const serverUseLength = cidLength - this.decodePlan.minimumLength;
    if (serverUseLength < 0 || cidLength > MAX_CID_LENGTH) return undefined;
    return new QuicLbCodec({ ...this.#config, serverUseLength });
  }

  decode(cid: Uint8Array): DecodedCid {
    const first = cid[0];
    if (first === undefined) return { routable: false, reason: 'empty' };
    const bits = configBitsOf(first);
    if (bits === FAILOVER_CONFIG_ID) return { routable: false, reason: 'failover-config' };
    if (bits !== this.#config.configId) return { routable: false, reason: 'config-mismatch' };
    // "Unroutable CIDs": a shorter CID is unroutable; of a longer one the first octets count.
    const end = this.decodePlan.minimumLength;
    if (cid.length < end) return { routable: false, reason: 'too-short' };
    // The cipher works in place, so this must be a copy; Buffer.slice would not make one.
    const block = Uint8Array.from(cid.subarray(1, end));
    this.#cipher?.decrypt(block, 0, block.length, 1);
    return {
      routable: true,
      configId: bits,
      serverId: block.slice(0, this.serverIdLength),
      nonce: block.slice(this.serverIdLength),
      serverUse: Uint8Array.from(cid.subarray(end, end + this.lease.serverUseLength)),
      algorithm: this.algorithm,
    };
  }

  protected writeCids(
    serverId: Uint8Array,
    nonces: Uint8Array,
    count: number,
    out: Uint8Array,
    random: RandomFill,
  ): void {
    const { cidLength, nonceLength } = this;
    const { lengthSelfEncoded, serverUseLength } = this.lease;
    // All octets are random first, and those that nothing else overwrites are server-use.
    if (serverUseLength > 0) random(out.subarray(0, count * cidLength));
    const start = Uint8Array.of(firstOctet(this.#config.configId, cidLength), ...serverId);
    const cids = { octets: out, offset: 0, stride: cidLength };
    copyStrings({ octets: start, offset: 0, stride: 0 }, cids, start.length, count);
    const places = { octets: out, offset: start.length, stride: cidLength };
    copyStrings({ octets: nonces, offset: 0, stride: nonceLength }, places, nonceLength, count);
    if (!lengthSelfEncoded) randomiseLowBits(out, count, cidLength, random);
    this.#cipher?.encrypt(out, 1, cidLength, count);
  }
}

/** "Configuration Agent Actions". Throws CID_CONFIG_INVALID or KEY_INVALID, naming the field. */
function checkConfig(config: QuicLbConfig): void {
  for (const field of ['configId', 'serverIdLength', 'nonceLength', 'serverUseLength'] as const) {
    checkInteger(field, config[field], RANGES[field]);
  }
  const block = config.serverIdLength + config.nonceLength;
  if (block > MAX_BLOCK_LENGTH) {
    throw new CidecarError(
      'CID_CONFIG_INVALID',
      `serverIdLength + nonceLength is ${block} octets; at most ${MAX_BLOCK_LENGTH} follow the first octet`,
      { field: 'nonceLength' },
    );
  }
  const length = 1 + block + config.serverUseLength;
  if (length > MAX_CID_LENGTH) {
    throw new CidecarError(
      'CID_CONFIG_INVALID',
      `the CID would have ${length} octets; QUIC version 1 allows ${MAX_CID_LENGTH}`,
      { field: 'serverUseLength' },
    );
  }
  if (config.key !== null && config.key.length !== BLOCK) {
    throw new CidecarError('KEY_INVALID', `the key has ${config.key.length} octets, not 16`, {
      field: 'key',
    });
  }
}
