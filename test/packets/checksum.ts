// SPDX-License-Identifier: Apache-2.0

/** The sum of 16-bit words in network order, not folded. An odd last octet is padded with zero. */
export function sum16(octets: Uint8Array, initial = 0): number {
  let sum = initial;
  for (let i = 0; i + 1 < octets.length; i += 2) {
    sum += ((octets[i] as number) << 8) | (octets[i + 1] as number);
  }
  if (octets.length % 2 === 1) sum += (octets[octets.length - 1] as number) << 8;
  return sum;
}

/** The internet checksum (RFC 1071) of a sum: folded and complemented. */
export function finish(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}

/** The addresses of the packet that a transport header is in; its checksum covers them. */
export interface PseudoHeader {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

/** The checksum of a transport segment (RFC 9293 section 3.1, RFC 8200 section 8.1). */
export function transportChecksum(ip: PseudoHeader, protocol: number, segment: Uint8Array): number {
  const sum = sum16(ip.source) + sum16(ip.destination) + protocol + segment.length;
  return finish(sum16(segment, sum));
}
