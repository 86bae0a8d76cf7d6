// SPDX-License-Identifier: Apache-2.0
import { finish, sum16 } from '../packets/checksum.js';
import { type Datagram, lengthsAgree, PROTOCOL, readFrame, word16 } from './datagram.js';
import { concat } from './encapsulate.js';
import type { Answer } from './model.js';
import { VERDICT } from './verdict.js';

/** Must keep the order of enum decap_reason in bpf/kernel/decap.h. */
export const DECAP_REASONS = [
  'not_tunnel',
  'ip4_in_ip4',
  'ip6_in_ip4',
  'ip4_in_ip6',
  'ip6_in_ip6',
  'gue_ip4',
  'gue_ip6',
  'fragment',
  'malformed',
  'source_refused',
  'not_vip',
  'congestion',
  'no_room',
] as const;

export type DecapReason = (typeof DECAP_REASONS)[number];

/** Settings of the program on a server host. A list that is undefined allows everything. */
export interface DecapSetup {
  /** 0 means that GUE is off. */
  readonly guePort: number;
  readonly sources: readonly { readonly address: Uint8Array; readonly bits: number }[] | undefined;
  readonly vips: readonly Uint8Array[] | undefined;
}

export interface DecapAnswer extends Answer {
  readonly reason: DecapReason;
}

interface Tunnel {
  readonly reason: DecapReason;
  /** The inner packet starts at offset `inner` and must not go beyond offset `end`. */
  readonly inner: number;
  readonly end: number;
  readonly family: 4 | 6;
}

/** Does what "Decapsulation" in docs/packet-program.md asks of the program. */
export function decapsulate(frame: Uint8Array, setup: DecapSetup): DecapAnswer {
  const read = readFrame(frame);
  const passes = { verdict: VERDICT.pass, frame, reason: 'not_tunnel' } as const;
  if (!('datagram' in read)) {
    return read.kind === 'foreign' && read.ip ? unwrapIp(frame, read.ip, setup) : passes;
  }
  const outer = read.datagram;
  const ipInIp = outer.protocol === PROTOCOL.ipip || outer.protocol === PROTOCOL.ipv6;
  if (read.kind === 'first-fragment' || read.kind === 'later-fragment') {
    return ipInIp ? dropped(frame, 'fragment') : passes;
  }
  const udpOctets = word16(frame, outer.transport + 4);
  const inner = outer.transport + 8;
  const gue =
    read.kind === 'transport' &&
    outer.protocol === PROTOCOL.udp &&
    setup.guePort !== 0 &&
    outer.destinationPort === setup.guePort &&
    udpOctets > 8 &&
    inner < frame.length &&
    (frame[inner] ?? 0) >> 6 === 1;
  if (!gue) return passes;
  return unwrap(frame, outer, setup, {
    reason: outer.family === 4 ? 'gue_ip4' : 'gue_ip6',
    inner,
    end: inner + udpOctets - 8,
    family: (frame[inner] ?? 0) >> 4 === 6 ? 6 : 4,
  });
}

function unwrapIp(frame: Uint8Array, outer: Datagram, setup: DecapSetup): DecapAnswer {
  if (outer.protocol !== PROTOCOL.ipip && outer.protocol !== PROTOCOL.ipv6) {
    return { verdict: VERDICT.pass, frame, reason: 'not_tunnel' };
  }
  const family = outer.protocol === PROTOCOL.ipip ? 4 : 6;
  return unwrap(frame, outer, setup, {
    reason: `ip${family}_in_ip${outer.family}`,
    inner: outer.transport,
    end: outer.header + outer.octets,
    family,
  });
}

function unwrap(
  frame: Uint8Array,
  outer: Datagram,
  { sources, vips }: DecapSetup,
  tunnel: Tunnel,
): DecapAnswer {
  const { source } = outer;
  if (sources !== undefined && !sources.some((prefix) => within(source, prefix))) {
    return dropped(frame, 'source_refused');
  }
  const destination = outerIsSound(frame, outer) ? innerDestination(frame, tunnel) : undefined;
  if (destination === undefined) return dropped(frame, 'malformed');
  if (vips !== undefined && !vips.some((vip) => Buffer.compare(vip, destination) === 0)) {
    return dropped(frame, 'not_vip');
  }
  const ecn = ecnOf(
    ecnAt(frame, outer.header, outer.family),
    ecnAt(frame, tunnel.inner, tunnel.family),
  );
  if (ecn === undefined) return dropped(frame, 'congestion');
  const link = frame.slice(0, outer.header);
  new DataView(link.buffer).setUint16(link.length - 2, tunnel.family === 4 ? 0x0800 : 0x86dd);
  const inner = frame.slice(tunnel.inner);
  setEcn(inner, tunnel.family, ecn);
  return { verdict: VERDICT.pass, frame: concat(link, inner), reason: tunnel.reason };
}

/** The lengths must fit the frame; an IPv4 header must have no options and a valid checksum. */
function outerIsSound(frame: Uint8Array, outer: Datagram): boolean {
  const { header, transport, octets, protocol, family } = outer;
  const udp = protocol === PROTOCOL.udp;
  if (header + octets > frame.length || octets < transport - header + (udp ? 8 : 0)) return false;
  if (udp && !lengthsAgree(frame, outer)) return false;
  if (family === 6) return true;
  return frame[header] === 0x45 && finish(sum16(frame.subarray(header, header + 20))) === 0;
}

/** Returns undefined if the inner packet contradicts itself or the outer one. */
function innerDestination(
  frame: Uint8Array,
  { inner, end, family }: Tunnel,
): Uint8Array | undefined {
  const least = family === 4 ? 20 : 40;
  const first = frame[inner] ?? 0;
  if (inner + least > frame.length || first >> 4 !== family) return undefined;
  const octets = family === 4 ? word16(frame, inner + 2) : 40 + word16(frame, inner + 4);
  const header = family === 4 ? (first & 15) * 4 : 40;
  if (header < least || octets < header || inner + octets > end) return undefined;
  const at = inner + (family === 4 ? 16 : 24);
  return frame.subarray(at, at + (family === 4 ? 4 : 16));
}

function ecnAt(frame: Uint8Array, header: number, family: 4 | 6): number {
  return (family === 4 ? (frame[header + 1] ?? 0) : (frame[header + 1] ?? 0) >> 4) & 3;
}

const ECN = { notEct: 0, ect1: 1, ect0: 2, ce: 3 };

/** Follows RFC 6040 section 4.2, figure 4. Undefined means that the packet is dropped. */
function ecnOf(outer: number, inner: number): number | undefined {
  if (inner === ECN.notEct) return outer === ECN.ce ? undefined : inner;
  if (inner === ECN.ce || outer === ECN.ce) return ECN.ce;
  return outer === ECN.ect1 ? ECN.ect1 : inner;
}

function setEcn(inner: Uint8Array, family: 4 | 6, ecn: number): void {
  const before = word16(inner, 0);
  if (family === 6) {
    inner[1] = ((inner[1] ?? 0) & 0xcf) | (ecn << 4);
    return;
  }
  inner[1] = ((inner[1] ?? 0) & 0xfc) | ecn;
  if (word16(inner, 0) === before) return;
  // RFC 1624, equation 3.
  const sum = (~word16(inner, 10) & 0xffff) + (~before & 0xffff) + word16(inner, 0);
  new DataView(inner.buffer).setUint16(10, finish(sum));
}

function within(address: Uint8Array, prefix: { address: Uint8Array; bits: number }): boolean {
  if (address.length !== prefix.address.length) return false;
  for (let bit = 0; bit < prefix.bits; bit++) {
    const mask = 0x80 >> (bit & 7);
    const at = bit >> 3;
    if (((address[at] ?? 0) & mask) !== ((prefix.address[at] ?? 0) & mask)) return false;
  }
  return true;
}

function dropped(frame: Uint8Array, reason: DecapReason): DecapAnswer {
  return { verdict: VERDICT.drop, frame, reason };
}
