// SPDX-License-Identifier: Apache-2.0

/** Adds 16-bit words, big endian, with an octet 0 after an odd last one (RFC 1071). */
export function sumOf(octets: Uint8Array, from = 0, to = octets.length): number {
  let sum = 0;
  for (let at = from; at < to; at += 2) {
    sum += ((octets[at] ?? 0) << 8) | (at + 1 < to ? (octets[at + 1] ?? 0) : 0);
  }
  return sum;
}

/** The checksum of a sum of words: 16 bits. */
export function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = (rest & 0xffff) + Math.floor(rest / 0x10000);
  return ~rest & 0xffff;
}
