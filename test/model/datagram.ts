// SPDX-License-Identifier: Apache-2.0
/**
 * Reads a frame by the rules of docs/packet-program.md. It is written with slices and checks
 * at every step: unlike the kernel's program, it need not be fast.
 */

const ETHERTYPE = { ipv4: 0x0800, vlan: 0x8100, ipv6: 0x86dd, qinq: 0x88a8 };
export const PROTOCOL = { icmp: 1, ipip: 4, tcp: 6, udp: 17, ipv6: 41, icmp6: 58 };
const EXTENSION = { hopByHop: 0, routing: 43, fragment: 44, destination: 60 };

const EXTENSIONS = Object.values(EXTENSION);

const ETHERNET_OCTETS = 14;
const TAG_OCTETS = 4;
const MOST_TAGS = 2;
const MOST_EXTENSIONS = 6;
/** A frame must hold this much of the transport header: all of UDP's. */
const TRANSPORT_OCTETS = 8;

export interface Datagram {
  readonly family: 4 | 6;
  /** Offsets in the frame. */
  readonly header: number;
  readonly transport: number;
  /** Length that the IP header states, the header included. */
  readonly octets: number;
  readonly protocol: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** 0 where the protocol has none. */
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export type Read =
  | { readonly kind: 'not-ip' | 'unreadable' }
  /** For another node, or of another protocol; `ip` is set in the second case only. */
  | { readonly kind: 'foreign'; readonly ip?: Datagram }
  | { readonly kind: 'transport' | 'icmp'; readonly datagram: Datagram }
  | {
      readonly kind: 'first-fragment' | 'later-fragment';
      /** Its ports are 0 if the fragment does not contain them. */
      readonly datagram: Datagram;
    };

export function word16(octets: Uint8Array, at: number): number {
  return ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
}

/** Number of leading VLAN tags; no more than MOST_TAGS are read. */
export function tagsOf(frame: Uint8Array): number {
  let tags = 0;
  while (tags < MOST_TAGS && isTag(word16(frame, 12 + tags * TAG_OCTETS))) tags++;
  return tags;
}

function isTag(type: number): boolean {
  return type === ETHERTYPE.vlan || type === ETHERTYPE.qinq;
}

export function readFrame(frame: Uint8Array): Read {
  const header = ETHERNET_OCTETS + tagsOf(frame) * TAG_OCTETS;
  if (frame.length < header) return { kind: 'unreadable' };
  const type = word16(frame, header - 2);
  if (type === ETHERTYPE.ipv4) return readIpv4(frame, header);
  if (type === ETHERTYPE.ipv6) return readIpv6(frame, header);
  return { kind: 'not-ip' };
}

export function readIpv4(frame: Uint8Array, header: number): Read {
  const first = frame[header] ?? 0;
  const headerOctets = (first & 15) * 4;
  if (frame.length < header + 20 || first >> 4 !== 4 || headerOctets < 20) {
    return { kind: 'unreadable' };
  }
  const fragment = word16(frame, header + 6);
  const ip = {
    family: 4,
    header,
    transport: header + headerOctets,
    octets: word16(frame, header + 2),
    protocol: frame[header + 9] ?? 0,
    source: frame.subarray(header + 12, header + 16),
    destination: frame.subarray(header + 16, header + 20),
  } as const;
  return readPart(frame, ip, (fragment & 0x1fff) !== 0, (fragment & 0x2000) !== 0);
}

export function readIpv6(frame: Uint8Array, header: number): Read {
  if (frame.length < header + 40 || (frame[header] ?? 0) >> 4 !== 6) return { kind: 'unreadable' };
  let next = frame[header + 6] ?? 0;
  let at = header + 40;
  let later = false;
  let more = false;
  for (let i = 0; i < MOST_EXTENSIONS && isExtension(next); i++) {
    if (frame.length < at + 8) return { kind: 'unreadable' };
    if (next === EXTENSION.fragment) {
      const word = word16(frame, at + 2);
      later = (word & 0xfff8) !== 0;
      more = (word & 1) !== 0;
    }
    // Segments are left, so it must visit other nodes first (RFC 8200 section 4.4).
    if (next === EXTENSION.routing && frame[at + 3] !== 0) return { kind: 'foreign' };
    const octets = next === EXTENSION.fragment ? 8 : ((frame[at + 1] ?? 0) + 1) * 8;
    next = frame[at] ?? 0;
    at += octets;
    if (later || more) break;
  }
  const ip = {
    family: 6,
    header,
    transport: at,
    octets: 40 + word16(frame, header + 4),
    protocol: next,
    source: frame.subarray(header + 8, header + 24),
    destination: frame.subarray(header + 24, header + 40),
  } as const;
  return readPart(frame, ip, later, more);
}

function isExtension(next: number): boolean {
  return EXTENSIONS.includes(next);
}

function readPart(
  frame: Uint8Array,
  ip: Omit<Datagram, 'sourcePort' | 'destinationPort'>,
  later: boolean,
  more: boolean,
): Read {
  const none = { ...ip, sourcePort: 0, destinationPort: 0 };
  if (later) return { kind: 'later-fragment', datagram: none };
  const read = readTransport(frame, ip);
  if (!more) return read;
  return { kind: 'first-fragment', datagram: read.kind === 'transport' ? read.datagram : none };
}

function readTransport(
  frame: Uint8Array,
  ip: Omit<Datagram, 'sourcePort' | 'destinationPort'>,
): Read {
  if (frame.length < ip.transport + TRANSPORT_OCTETS) return { kind: 'unreadable' };
  if (ip.protocol === (ip.family === 4 ? PROTOCOL.icmp : PROTOCOL.icmp6)) {
    return { kind: 'icmp', datagram: { ...ip, sourcePort: 0, destinationPort: 0 } };
  }
  if (ip.protocol !== PROTOCOL.udp && ip.protocol !== PROTOCOL.tcp) {
    return { kind: 'foreign', ip: { ...ip, sourcePort: 0, destinationPort: 0 } };
  }
  const datagram = {
    ...ip,
    sourcePort: word16(frame, ip.transport),
    destinationPort: word16(frame, ip.transport + 2),
  };
  return { kind: 'transport', datagram };
}

/**
 * Whether the lengths fit each other and the frame. The frame may be longer, since Ethernet
 * pads, and UDP's length may be less than the payload that IP states (RFC 768).
 */
export function lengthsAgree(frame: Uint8Array, datagram: Datagram): boolean {
  const { header, transport, octets, protocol } = datagram;
  const payload = octets - (transport - header);
  if (header + octets > frame.length) return false;
  if (protocol === PROTOCOL.tcp) return payload >= 20;
  if (payload < 8) return false;
  if (protocol !== PROTOCOL.udp) return true;
  const udp = word16(frame, transport + 4);
  return udp >= 8 && udp <= payload;
}
