// SPDX-License-Identifier: Apache-2.0
import quiche from '@matrixai/quic/native/quiche.js';

/** The fields of a long header that every version of QUIC has (RFC 8999, section 5.1). */
export interface LongHeader {
  readonly version: number;
  readonly dcid: Uint8Array;
  readonly scid: Uint8Array;
}

/** Octets of the smallest datagram that can begin a connection (RFC 9000, section 14.1). */
const SMALLEST_INITIAL = 1200;
/**
 * Octets of the DCID that a client chooses for it, in version 1 (RFC 9000, sections 7.2 and 17.2).
 */
const CLIENTS_CHOICE = { least: 8, most: 20 };
/** Long header, fixed bit, type 0 (RFC 9000, section 17.2.2). */
const INITIAL = { mask: 0xf0, bits: 0xc0 };

export function isLongHeader(datagram: Uint8Array): boolean {
  return ((datagram[0] ?? 0) & 0x80) !== 0;
}

/** A short header does not say how long its DCID is, so a server has CIDs of one length. */
export function shortHeaderDcid(datagram: Uint8Array, cidLength: number): Uint8Array {
  return datagram.subarray(1, 1 + cidLength);
}

/** Null where the datagram ends too early, since anybody can send anything. */
export function readLongHeader(datagram: Uint8Array): LongHeader | null {
  const dcidEnd = 6 + (datagram[5] ?? 0);
  const scidEnd = dcidEnd + 1 + (datagram[dcidEnd] ?? 0);
  if (datagram.length < scidEnd) return null;
  return {
    version: new DataView(datagram.buffer, datagram.byteOffset, datagram.length).getUint32(1),
    dcid: datagram.subarray(6, dcidEnd),
    scid: datagram.subarray(dcidEnd + 1, scidEnd),
  };
}

/**
 * Whether the header may begin a connection. Whether the packet decrypts is for the stack to see.
 */
export function beginsConnection(datagram: Uint8Array, { version, dcid }: LongHeader): boolean {
  return (
    datagram.length >= SMALLEST_INITIAL &&
    quiche.versionIsSupported(version) &&
    ((datagram[0] ?? 0) & INITIAL.mask) === INITIAL.bits &&
    dcid.length >= CLIENTS_CHOICE.least &&
    dcid.length <= CLIENTS_CHOICE.most
  );
}

/**
 * The answer to a client that speaks another version; null where none is due. Version 0 gets
 * none because it marks such an answer, nor does a datagram that is too small to begin a
 * connection (RFC 9000, section 6.1).
 */
export function versionNegotiation(
  datagram: Uint8Array,
  { version, dcid, scid }: LongHeader,
): Uint8Array | null {
  if (version === 0 || quiche.versionIsSupported(version)) return null;
  if (datagram.length < SMALLEST_INITIAL) return null;
  const answer = Buffer.alloc(SMALLEST_INITIAL);
  return answer.subarray(0, quiche.negotiateVersion(scid, dcid, answer));
}
