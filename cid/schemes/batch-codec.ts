// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto';
import { CidecarError } from '../../core/errors.js';
import { copyStrings } from '../crypto/strided-copy.js';
import type { EncodeOptions, LeaseTerms, RandomFill } from '../types.js';

/**
 * The part of a codec that encodes. It checks the arguments of `encode` and `encodeBatch`, in
 * the same way for every scheme; the scheme itself writes the CIDs of a whole batch.
 */
export abstract class BatchCodec {
  abstract readonly cidLength: number;
  abstract readonly serverIdLength: number;
  abstract readonly nonceLength: number;
  abstract readonly lease: LeaseTerms;
  readonly #random: RandomFill;

  constructor(random: RandomFill = randomFillSync) {
    this.#random = random;
  }

  encode(serverId: Uint8Array, nonce: Uint8Array, options: EncodeOptions = {}): Uint8Array {
    const { serverUse, random = this.#random } = options;
    if (serverUse !== undefined) checkServerUse(serverUse, this.lease.serverUseLength);
    const out = new Uint8Array(this.cidLength);
    this.checkServerId(serverId);
    checkNonces(this, nonce, 1, out);
    this.writeCids(serverId, nonce, 1, out, random);
    if (serverUse !== undefined) out.set(serverUse, out.length - serverUse.length);
    return out;
  }

  encodeBatch(
    serverId: Uint8Array,
    nonces: Uint8Array,
    count: number,
    out: Uint8Array,
    serverUse?: Uint8Array,
  ): void {
    this.checkServerId(serverId);
    checkNonces(this, nonces, count, out);
    const { serverUseLength } = this.lease;
    if (serverUse !== undefined && serverUse.length > serverUseLength) {
      checkServerUse(serverUse, serverUseLength);
    }
    this.writeCids(serverId, nonces, count, out, this.#random);
    if (serverUse === undefined) return;
    const { cidLength } = this;
    const places = { octets: out, offset: cidLength - serverUseLength, stride: cidLength };
    copyStrings({ octets: serverUse, offset: 0, stride: 0 }, places, serverUse.length, count);
  }

  /** Throws SERVER_ID_INVALID. A scheme that reserves IDs overrides this to refuse them too. */
  checkServerId(serverId: Uint8Array): void {
    if (serverId.length === this.serverIdLength) return;
    throw new CidecarError(
      'SERVER_ID_INVALID',
      `the server ID has ${serverId.length} octets; this config takes ${this.serverIdLength}`,
    );
  }

  /**
   * Writes `count` packed CIDs of one server ID to the start of `out`. All lengths have been
   * checked. Fills server-use octets, which are the last ones of each CID, at random.
   */
  protected abstract writeCids(
    serverId: Uint8Array,
    nonces: Uint8Array,
    count: number,
    out: Uint8Array,
    random: RandomFill,
  ): void;
}

/** If `nonces` were too short and that did not throw, the rest of the CIDs would be all alike. */
function checkNonces(
  codec: { readonly nonceLength: number; readonly cidLength: number },
  nonces: Uint8Array,
  count: number,
  out: Uint8Array,
): void {
  if (!Number.isInteger(count) || count < 0) {
    throw new RangeError(`count is ${count}, not a number of CIDs`);
  }
  if (nonces.length !== count * codec.nonceLength) {
    throw new CidecarError(
      'NONCE_INVALID',
      `${nonces.length} octets of nonces for ${count} CIDs; this config takes ${codec.nonceLength} each`,
    );
  }
  if (out.length < count * codec.cidLength) {
    throw new RangeError(`out has ${out.length} octets; ${count * codec.cidLength} are written`);
  }
}

function checkServerUse(serverUse: Uint8Array, length: number): void {
  if (serverUse.length === length) return;
  throw new CidecarError(
    'CID_CONFIG_INVALID',
    `${serverUse.length} server-use octets; every CID of this config has ${length}`,
    { field: 'serverUse' },
  );
}
