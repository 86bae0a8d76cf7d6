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

/**
 * Writes the first octet of `count` packed CIDs of `cidLength` octets: the config ID, and
 * the length of the rest or random bits.
 */
export function writeFirstOctets(
  out: Uint8Array,
  count: number,
  cidLength: number,
  configId: number,
  lengthSelfEncoded: boolean,
  random: RandomFill,
): void {
  const top = configId << 5;
  if (lengthSelfEncoded) {
    const octet = top | (cidLength - 1);
    for (let i = 0, at = 0; i < count; i++, at += cidLength) out[at] = octet;
    return;
  }
  const bits = new Uint8Array(count);
  random(bits);
  for (let i = 0, at = 0; i < count; i++, at += cidLength) out[at] = top | (bits[i]! & 0x1f);
}
