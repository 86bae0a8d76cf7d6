// SPDX-License-Identifier: Apache-2.0
import type { RandomFill } from './types.js';

// draft-ietf-quic-load-balancers-22, "First CID octet": three bits are the config ID, and five
// bits carry the length of what follows or are random.

/** 0b111 is never a config: balancers route such CIDs by the 4-tuple ("Config Failover"). */
export const FAILOVER_CONFIG_ID = 7;

/** Value of the first octet's top three bits, 0..7. */
export function configBitsOf(firstOctet: number): number {
  return firstOctet >> 5;
}

/** The first octet of a CID of `cidLength` octets: config ID, and the length of what follows. */
export function firstOctet(configId: number, cidLength: number): number {
  return (configId << 5) | (cidLength - 1);
}

/** For configs without length self-encoding: fills the five bits of `count` CIDs at random. */
export function randomiseLowBits(
  cids: Uint8Array,
  count: number,
  cidLength: number,
  random: RandomFill,
): void {
  const bits = new Uint8Array(count);
  random(bits);
  for (let i = 0, at = 0; i < count; i++, at += cidLength) {
    cids[at] = (cids[at]! & 0xe0) | (bits[i]! & 0x1f);
  }
}
