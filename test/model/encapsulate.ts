// SPDX-License-Identifier: Apache-2.0
import type { RealSpec, Settings } from '../../bpf/tables/index.js';
import { ip } from '../packets/address.js';
import { finish, sum16 } from '../packets/checksum.js';
import { type Datagram, PROTOCOL, word16 } from './datagram.js';

const OUTER_HOPS = 64;
const GUE_FIRST_PORT = 0xc000;
const GUE_PORTS = 0x3fff;
const UDP_OCTETS = 8;

/** Octets that the tunnel adds in front of the inner IP header. */
export function tunnelOctets(real: RealSpec): number {
  if (real.encapsulation === 'l2') return 0;
  const outer = real.address.includes(':') ? 40 : 20;
  return real.encapsulation === 'gue' ? outer + UDP_OCTETS : outer;
}

/** Octets of the longest packet on the way to the server, outer header included. */
export function outerMtu(real: RealSpec, settings: Settings): number {
  return Math.min(settings.mtu, real.mtu ?? settings.mtu);
}

export function hopsOf(frame: Uint8Array, { family, header }: Datagram): number {
  return frame[header + (family === 6 ? 7 : 8)] ?? 0;
}

/**
 * Returns the frame as it leaves: in a tunnel, or with new link addresses only.
 *
 * @param entropy 32 bits by which the network tells flows apart
 */
export function forwardFrame(
  frame: Uint8Array,
  datagram: Datagram,
  real: RealSpec,
  settings: Settings,
  entropy: number,
): Uint8Array {
  const link = frame.slice(0, datagram.header);
  readdress(link, real);
  const inner = frame.slice(datagram.header);
  takeHop(inner, datagram.family);
  if (real.encapsulation === 'l2') return concat(link, inner);
  const outer = outerHeaders(inner, datagram, real, settings, entropy);
  const type = real.address.includes(':') ? 0x86dd : 0x0800;
  new DataView(link.buffer).setUint16(link.length - 2, type);
  return concat(link, outer, inner);
}

/** Addresses the frame to the real's next hop, or back to its sender if there is none. */
export function readdress(link: Uint8Array, real: Pick<RealSpec, 'nextHop'>): void {
  const hop = real.nextHop;
  if (hop === undefined || hop.mac.every((octet) => octet === 0)) {
    const destination = link.slice(0, 6);
    link.copyWithin(0, 6, 12);
    link.set(destination, 6);
    return;
  }
  link.set(hop.mac, 0);
  link.set(hop.sourceMac, 6);
}

/** A forwarder takes a hop (RFC 1812 section 5.3.1; into a tunnel: RFC 2003 section 3.1). */
function takeHop(inner: Uint8Array, family: 4 | 6): void {
  if (family === 6) {
    inner[7] = (inner[7] ?? 0) - 1;
    return;
  }
  const before = word16(inner, 8);
  inner[8] = (inner[8] ?? 0) - 1;
  // RFC 1624, equation 3: HC' = ~(~HC + ~m + m')
  const sum = (~word16(inner, 10) & 0xffff) + (~before & 0xffff) + word16(inner, 8);
  new DataView(inner.buffer).setUint16(10, finish(sum));
}

function outerHeaders(
  inner: Uint8Array,
  datagram: Datagram,
  real: RealSpec,
  settings: Settings,
  entropy: number,
): Uint8Array {
  const gue = real.encapsulation === 'gue';
  const udp = gue ? gueHeader(datagram.octets, entropy, settings.guePort) : new Uint8Array(0);
  const innerType = datagram.family === 6 ? PROTOCOL.ipv6 : PROTOCOL.ipip;
  const fields = {
    // In the normal mode of RFC 6040 section 4.1, ECN is copied. DSCP is copied with it.
    tos: datagram.family === 6 ? (word16(inner, 0) >> 4) & 0xff : (inner[1] ?? 0),
    protocol: gue ? PROTOCOL.udp : innerType,
    payloadOctets: datagram.octets + udp.length,
    entropy,
  };
  const header = real.address.includes(':')
    ? outerIpv6(real, fields)
    : outerIpv4(real, fields, gue ? 0 : settings.sourceBits);
  return concat(header, udp);
}

interface OuterFields {
  readonly tos: number;
  readonly protocol: number;
  readonly payloadOctets: number;
  readonly entropy: number;
}

/** The last `bits` bits of the source carry entropy, in the word order of the C program. */
function outerIpv4(real: RealSpec, fields: OuterFields, bits: number): Uint8Array {
  const header = new Uint8Array(20);
  const view = new DataView(header.buffer);
  header.set([0x45, fields.tos], 0);
  view.setUint16(2, 20 + fields.payloadOctets);
  view.setUint16(6, 0x4000);
  header.set([OUTER_HOPS, fields.protocol], 8);
  header.set(ip(real.source4 ?? '0.0.0.0'), 12);
  header.set(ip(real.address), 16);
  const mask = bits === 0 ? 0 : 0xffffffff >>> (32 - bits);
  // The C program lays the entropy over the address as a little-endian word.
  const scratch = new DataView(new ArrayBuffer(4));
  scratch.setUint32(0, fields.entropy, true);
  const entropy = scratch.getUint32(0);
  view.setUint32(12, ((view.getUint32(12) & ~mask) | (entropy & mask)) >>> 0);
  view.setUint16(10, finish(sum16(header)));
  return header;
}

/** The flow label carries the entropy (RFC 6438). */
function outerIpv6(real: RealSpec, fields: OuterFields): Uint8Array {
  const header = new Uint8Array(40);
  const view = new DataView(header.buffer);
  const label = fields.entropy & 0xfffff;
  view.setUint32(0, 6 * 2 ** 28 + fields.tos * 2 ** 20 + label);
  view.setUint16(4, fields.payloadOctets);
  header.set([fields.protocol, OUTER_HOPS], 6);
  header.set(ip(real.source6 ?? '::'), 8);
  header.set(ip(real.address), 24);
  return header;
}

/** GUE variant 1: the inner IP header follows UDP directly; no checksum (RFC 6935). */
function gueHeader(innerOctets: number, entropy: number, port: number): Uint8Array {
  const header = new Uint8Array(UDP_OCTETS);
  const view = new DataView(header.buffer);
  view.setUint16(0, GUE_FIRST_PORT | (entropy & GUE_PORTS));
  view.setUint16(2, port);
  view.setUint16(4, innerOctets + UDP_OCTETS);
  return header;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
