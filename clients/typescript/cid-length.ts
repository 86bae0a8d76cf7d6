// SPDX-License-Identifier: Apache-2.0
import { FAILOVER_MIN_CID_LENGTH } from '../../cid/index.js';

/** Octets of the shortest CID that a server can have, since it must be able to use 0b111 CIDs. */
export const MIN_CID_LENGTH = FAILOVER_MIN_CID_LENGTH;
/** Octets of the longest CID of QUIC versions 1 and 2 (RFC 9000, section 17.2). */
export const MAX_CID_LENGTH = 20;

export function isCidLength(octets: number): boolean {
  return Number.isInteger(octets) && octets >= MIN_CID_LENGTH && octets <= MAX_CID_LENGTH;
}
