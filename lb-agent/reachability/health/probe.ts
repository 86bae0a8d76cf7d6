// SPDX-License-Identifier: Apache-2.0

/**
 * What a probe says, and what an answer to it looks like. A probe of QUIC is a long header of a
 * reserved version, to which a server has to answer Version Negotiation (RFC 9000 section 6),
 * with no TLS and no state. All stacks answer exactly 1200 octets with the fixed bit set, and
 * some nothing else.
 */

/** Octets of a number: the index of what is probed, and a random word that makes it this probe. */
export const NUMBER_OCTETS = 8;

const QUIC_OCTETS = 1200;
const VERSION = [0x0a, 0x1a, 0x2a, 0x3a];
const CID_OCTETS = 8;
const DCID = 6;
const SCID = DCID + CID_OCTETS + 1;
const AFTER_CIDS = SCID + CID_OCTETS;
/** 0b111, which is never a config: no CID of ours, and none that a connection has. */
const UNROUTABLE = 0xe7;

const UDP_OCTETS = 32;

export interface Numbered {
  /** Index of what was probed. */
  readonly target: number;
  readonly nonce: number;
}

/** A probe before it has its number; {@link numbered} gives it one. */
export function probeTemplate(check: 'quic' | 'udp'): Uint8Array {
  if (check === 'udp') return new Uint8Array(UDP_OCTETS);
  const octets = new Uint8Array(QUIC_OCTETS);
  octets.set([0xc0, ...VERSION, CID_OCTETS, UNROUTABLE]);
  octets[SCID - 1] = CID_OCTETS;
  // As an Initial: no token, and a length of two octets.
  const rest = QUIC_OCTETS - AFTER_CIDS - 3;
  octets[AFTER_CIDS + 1] = 0x40 | (rest >> 8);
  octets[AFTER_CIDS + 2] = rest & 0xff;
  return octets;
}

/** Octets at the beginning of a probe beyond which it is the same each time. */
export const NUMBERED_OCTETS = AFTER_CIDS + 1;

/** Puts a number into a probe in place. */
export function setNumber(
  check: 'quic' | 'udp',
  payload: DataView,
  { target, nonce }: Numbered,
): void {
  if (check === 'udp') {
    payload.setUint32(0, target);
    payload.setUint32(4, nonce);
    return;
  }
  payload.setUint32(DCID + 4, nonce);
  payload.setUint32(SCID, target);
  payload.setUint32(SCID + 4, nonce);
}

/** The number in a Version Negotiation packet; undefined where it answers no probe of ours. */
export function numberInAnswer(answer: Uint8Array): Numbered | undefined {
  // It has the connection IDs of the probe swapped, and at least one version.
  if (answer.length < AFTER_CIDS + 4 || ((answer[0] ?? 0) & 0x80) === 0) return undefined;
  const view = viewOf(answer);
  if (view.getUint32(1) !== 0) return undefined;
  if (answer[DCID - 1] !== CID_OCTETS || answer[SCID - 1] !== CID_OCTETS) return undefined;
  const [target, nonce] = [view.getUint32(DCID), view.getUint32(DCID + 4)];
  if (answer[SCID] !== UNROUTABLE || view.getUint32(SCID + 4) !== nonce) return undefined;
  return { target, nonce };
}

/** The number in a probe of QUIC that an ICMP error quotes; undefined where it is no probe. */
export function numberInProbe(probe: Uint8Array): Numbered | undefined {
  if (probe.length < AFTER_CIDS || probe[0] !== 0xc0) return undefined;
  if (VERSION.some((octet, at) => probe[1 + at] !== octet)) return undefined;
  const view = viewOf(probe);
  return { target: view.getUint32(SCID), nonce: view.getUint32(SCID + 4) };
}

export function viewOf(octets: Uint8Array): DataView {
  return new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
}
