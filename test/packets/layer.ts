// SPDX-License-Identifier: Apache-2.0
import type { PseudoHeader } from './checksum.js';

/** A part of a packet. */
export interface Layer {
  /** What the header before it says: an EtherType after Ethernet, a protocol number after IP. */
  readonly type: number;
  /** @param ip the innermost IP header around the layer, for checksums that cover it */
  encode(ip: PseudoHeader | undefined): Uint8Array;
}

export type Payload = Layer | Uint8Array | string;

export const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd, qinq: 0x88a8 };

export const PROTOCOL = {
  hopByHop: 0,
  icmp: 1,
  ipip: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  routing: 43,
  fragment: 44,
  esp: 50,
  authentication: 51,
  icmp6: 58,
  none: 59,
  destination: 60,
} as const;

/** Octets from hex digits, between which there may be blanks. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

/** `length` octets that depend on their position, so that a shifted copy is noticed. */
export function filler(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + 1) & 0xff);
}

export function octetsOf(payload: Payload | undefined, ip?: PseudoHeader): Uint8Array {
  if (payload === undefined) return new Uint8Array(0);
  if (typeof payload === 'string') return hex(payload);
  return payload instanceof Uint8Array ? payload : payload.encode(ip);
}

/** The type that the header before a payload has for it. */
export function typeOf(payload: Payload | undefined, otherwise: number): number {
  return typeof payload === 'object' && 'type' in payload ? payload.type : otherwise;
}

/** The protocol number that an IP header has for its payload; IP within IP has one too. */
export function protocolOf(payload: Payload | undefined, otherwise: number): number {
  const type = typeOf(payload, otherwise);
  if (type === ETHERTYPE.ipv4) return PROTOCOL.ipip;
  return type === ETHERTYPE.ipv6 ? PROTOCOL.ipv6 : type;
}
