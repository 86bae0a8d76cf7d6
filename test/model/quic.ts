// SPDX-License-Identifier: Apache-2.0

/** The form bit of RFC 8999 section 5.1; version, DCID length and DCID follow its octet. */
const LONG_FORM = 0x80;
const LONG_DCID = 6;

/**
 * Returns the octets that may be a DCID: as many as the length octet of a long header
 * states, or all that follow the first octet of a short header. Returns undefined if the
 * datagram ends before the DCID does.
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
 * Returns the SCID of a long header, or its first octets, since an ICMP error quotes only
 * the start of a packet. Returns undefined if there is no long header, or if the datagram
 * ends before the SCID's length.
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
