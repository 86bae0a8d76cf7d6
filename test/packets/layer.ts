// SPDX-License-Identifier: Apache-2.0
import type { PseudoHeader } from './checksum.js';

/** A part of a packet. `type` is what the header before it says about it. */
export interface Layer {
  /** EtherType, for what follows Ethernet; protocol number, for what follows IP. */
  readonly type: number;
  /** `ip` is the closest enclosing IP header, for checksums that cover it. */
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

/** Octets written as hex digits; blanks allowed. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

/** `length` octets that tell their own position, so that a shifted copy is seen. */
export function filler(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + 1) & 0xff);
}

export function octetsOf(payload: Payload | undefined, ip?: PseudoHeader): Uint8Array {
  if (payload === undefined) return new Uint8Array(0);
  if (typeof payload === 'string') return hex(payload);
  return payload instanceof Uint8Array ? payload : payload.encode(ip);
}

/** What the header in front says about a payload. */
export function typeOf(payload: Payload | undefined, otherwise: number): number {
  return typeof payload === 'object' && 'type' in payload ? payload.type : otherwise;
}

/** What an IP header says about its payload: IP within IP has a protocol number, too. */
export function protocolOf(payload: Payload | undefined, otherwise: number): number {
  const type = typeOf(payload, otherwise);
  if (type === ETHERTYPE.ipv4) return PROTOCOL.ipip;
  return type === ETHERTYPE.ipv6 ? PROTOCOL.ipv6 : type;
}
