// SPDX-License-Identifier: Apache-2.0

import { CidecarError } from '../../core/errors.js';
import { BLOCK } from '../crypto/aes.js';
import { Feistel } from '../crypto/feistel.js';
import { SinglePass } from '../crypto/single-pass.js';
import { copyStrings } from '../crypto/strided-copy.js';
import { configBitsOf, FAILOVER_CONFIG_ID, firstOctet, randomiseLowBits } from '../first-octet.js';
import { requireIntegerIn } from '../require-integer.js';
import type {
  Algorithm,
  CidCodec,
  DecodedCid,
  DecodePlan,
  EncodeOptions,
  QuicLbConfig,
  RandomFill,
} from '../types.js';
import { checkServerUse, requireNonces, requireServerId } from './operands.js';

/** Octets of the longest CID of QUIC version 1 (RFC 9000 section 17.2). */
export const MAX_CID_LENGTH = 20;

/** Number of passes of "Four-Pass Encryption". */
const FOUR_PASSES = 4;

/** In place, over the sid||nonce of packed CIDs. Plaintext has none. */
interface BlockCipher {
  encrypt(packed: Uint8Array, offset: number, stride: number, count: number): void;
  decrypt(packed: Uint8Array, offset: number, stride: number, count: number): void;
}

/** draft-ietf-quic-load-balancers-22. The config was checked by {@link checkQuicLbConfig}. */
export class QuicLbCodec implements CidCodec {
  readonly config: QuicLbConfig;
  readonly algorithm: Algorithm;
  readonly cidLength: number;
  readonly serverIdLength: number;
  readonly nonceLength: number;
  readonly plan: DecodePlan;
  readonly #random: RandomFill;
  readonly #cipher: BlockCipher | null;

  constructor(config: QuicLbConfig, random: RandomFill) {
    checkQuicLbConfig(config);
    const blockLength = config.serverIdLength + config.nonceLength;
    this.config = config;
    this.serverIdLength = config.serverIdLength;
    this.nonceLength = config.nonceLength;
    this.cidLength = 1 + blockLength + config.serverUseLength;
    this.#random = random;

    let kind: DecodePlan['kind'];
    if (config.key === null) {
      this.algorithm = 'plaintext';
      this.#cipher = null;
      kind = 'extract';
    } else if (blockLength === BLOCK) {
      this.algorithm = kind = 'single-pass';
      this.#cipher = new SinglePass(config.key);
    } else {
      this.algorithm = kind = 'four-pass';
      this.#cipher = new Feistel(config.key, blockLength, FOUR_PASSES);
    }
    this.plan = {
      kind,
      configBits: [config.configId],
      // The server-use octets are the server's own: a balancer never needs them.
      minimumLength: 1 + blockLength,
      serverIdBitOffset: kind === 'extract' ? 8 : 0,
      serverIdBits: 8 * config.serverIdLength,
      blockLength,
      zeroReserved: false,
      key: config.key,
    };
  }

  encode(serverId: Uint8Array, nonce: Uint8Array, options: EncodeOptions = {}): Uint8Array {
    const out = new Uint8Array(this.cidLength);
    this.#encode(serverId, nonce, 1, out, options.random ?? this.#random);
    if (options.serverUse !== undefined) {
      checkServerUse(options.serverUse, this.config.serverUseLength);
      out.set(options.serverUse, this.plan.minimumLength);
    }
    return out;
  }

  encodeBatch(serverId: Uint8Array, nonces: Uint8Array, count: number, out: Uint8Array): void {
    this.#encode(serverId, nonces, count, out, this.#random);
  }

  decode(cid: Uint8Array): DecodedCid {
    const first = cid[0];
    if (first === undefined) return { routable: false, reason: 'empty' };
    const bits = configBitsOf(first);
    if (bits === FAILOVER_CONFIG_ID) return { routable: false, reason: 'failover-config' };
    if (bits !== this.config.configId) return { routable: false, reason: 'config-mismatch' };
    // "Unroutable CIDs": shorter is unroutable; of a longer one the first octets count.
    const end = this.plan.minimumLength;
    if (cid.length < end) return { routable: false, reason: 'too-short' };
    // A copy, which Buffer.slice would not make: decrypting works in place.
    const block = Uint8Array.from(cid.subarray(1, end));
    this.#cipher?.decrypt(block, 0, block.length, 1);
    return {
      routable: true,
      configId: bits,
      serverId: block.slice(0, this.serverIdLength),
      nonce: block.slice(this.serverIdLength),
      serverUse: Uint8Array.from(cid.subarray(end, end + this.config.serverUseLength)),
      algorithm: this.algorithm,
    };
  }

  checkServerId(serverId: Uint8Array): void {
    requireServerId(serverId, this.serverIdLength);
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
    const { cidLength, nonceLength } = this;
    const { configId, lengthSelfEncoded, serverUseLength } = this.config;
    // Random octets first, under everything else: the server-use octets keep them.
    if (serverUseLength > 0) random(out.subarray(0, count * cidLength));
    const start = Uint8Array.of(firstOctet(configId, cidLength), ...serverId);
    const cids = { octets: out, offset: 0, stride: cidLength };
    copyStrings({ octets: start, offset: 0, stride: 0 }, cids, start.length, count);
    const places = { octets: out, offset: start.length, stride: cidLength };
    copyStrings({ octets: nonces, offset: 0, stride: nonceLength }, places, nonceLength, count);
    if (!lengthSelfEncoded) randomiseLowBits(out, count, cidLength, random);
    this.#cipher?.encrypt(out, 1, cidLength, count);
  }
}

/** "Configuration Agent Actions". Throws CID_CONFIG_INVALID or KEY_INVALID, naming the field. */
export function checkQuicLbConfig(config: QuicLbConfig): void {
  requireIntegerIn('configId', config.configId, 0, FAILOVER_CONFIG_ID - 1);
  requireIntegerIn('serverIdLength', config.serverIdLength, 1, 15);
  requireIntegerIn('nonceLength', config.nonceLength, 4, 18);
  requireIntegerIn('serverUseLength', config.serverUseLength, 0, 14);
  const block = config.serverIdLength + config.nonceLength;
  if (block > 19) {
    throw new CidecarError(
      'CID_CONFIG_INVALID',
      `serverIdLength + nonceLength is ${block} octets; at most 19 follow the first octet`,
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
