// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/errors.js';

/** Checks of what encode and encodeBatch are given, the same for every scheme. */

export function requireServerId(serverId: Uint8Array, length: number): void {
  if (serverId.length !== length) {
    throw new CidecarError(
      'SERVER_ID_INVALID',
      `the server ID has ${serverId.length} octets; this config takes ${length}`,
    );
  }
}

/** A short `nonces` must throw: read past its end it would yield the same CID again and again. */
export function requireNonces(
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

export function checkServerUse(serverUse: Uint8Array, length: number): void {
  if (serverUse.length !== length) {
    throw new CidecarError(
      'CID_CONFIG_INVALID',
      `${serverUse.length} server-use octets; every CID of this config has ${length}`,
      { field: 'serverUse' },
    );
  }
}
