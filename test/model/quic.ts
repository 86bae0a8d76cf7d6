// SPDX-License-Identifier: Apache-2.0

/** RFC 8999 section 5.1: form bit, version, then the DCID with its length in front. */
const LONG_FORM = 0x80;
const LONG_DCID = 6;

/**
 * The octets that may be a DCID: what the length octet of a long header says, or all that
 * follows the first octet of a short one. Undefined: cut off before its end.
 */
export function dcidOf(datagram: Uint8Array): Uint8Array | undefined {
  const first = datagram[0];
  if (first === undefined) return undefined;
  if ((first & LONG_FORM) === 0) return datagram.subarray(1);
  if (datagram.length < LONG_DCID) return undefined;
  const end = LONG_DCID + (datagram[LONG_DCID - 1] ?? 0);
  return end <= datagram.length ? datagram.subarray(LONG_DCID, end) : undefined;
}

/**
 * The SCID of a long header, or as much of it as is there: an ICMP error quotes only the
 * start of a packet. Undefined: no long header, or cut off before the SCID's length.
 */
export function scidOf(datagram: Uint8Array): Uint8Array | undefined {
  const first = datagram[0];
  if (first === undefined || (first & LONG_FORM) === 0 || datagram.length < LONG_DCID) {
    return undefined;
  }
  const at = LONG_DCID + (datagram[LONG_DCID - 1] ?? 0);
  const length = datagram[at];
  return length === undefined ? undefined : datagram.subarray(at + 1, at + 1 + length);
}
