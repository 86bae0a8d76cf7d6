// SPDX-License-Identifier: Apache-2.0
import type { RandomFill } from './types.js';

// draft-ietf-quic-load-balancers-22, "First CID octet": three bits of config ID, then five
// bits that carry the length of what follows, or are random.

/** 0b111: never a config; balancers route it by the 4-tuple ("Config Failover"). */
export const FAILOVER_CONFIG_ID = 7;

/** Value of the first octet's top three bits, 0..7. */
export function configBitsOf(firstOctet: number): number {
  return firstOctet >> 5;
}

/** Config ID, and the length of what follows in a CID of `cidLength` octets. */
export function firstOctet(configId: number, cidLength: number): number {
  return (configId << 5) | (cidLength - 1);
}

/** For configs without length self-encoding: five random bits in each of `count` CIDs. */
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
