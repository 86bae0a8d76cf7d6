// SPDX-License-Identifier: Apache-2.0
import { FAILOVER_MIN_CID_LENGTH, MAX_CID_LENGTH } from '../../cid/index.js';

/** Whether a server can have CIDs of this length, which is that of its 0b111 CIDs too. */
export function isCidLength(octets: number): boolean {
  return Number.isInteger(octets) && octets >= FAILOVER_MIN_CID_LENGTH && octets <= MAX_CID_LENGTH;
}
