// SPDX-License-Identifier: Apache-2.0
import { addressOctets as mappedOctets } from '../../../bpf/tables/index.js';
import { familyOf } from '../../../core/index.js';
import type { Encapsulation } from '../../../registry/index.js';
import { folded, sumOf } from './checksum.js';
import { viewOf } from './probe.js';

/** Who sends a probe to whom, and by which tunnel. */
export interface ProbeWay {
  /** Where answers go: an address of this host. */
  readonly source: string;
  /** The VIP, or the server's own address. */
  readonly destination: string;
  readonly port: number;
  readonly tunnel: Tunnel | null;
}

export interface Tunnel {
  readonly encapsulation: Encapsulation;
  /** Of the outer header; those of `l2` have none. */
  readonly source: string;
  readonly server: string;
  readonly guePort: number;
  /** Of `l2`: by which interface, to which link address of 6 octets. */
  readonly link: { readonly ifindex: number; readonly mac: Uint8Array } | null;
}

const UDP = 17;
const UDP_HEADER = 8;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const HOPS = 64;

/** Octets before the packet of {@link RawSocket} for a link address. */
const LINK_PREFIX = 10;

/** A packet of which all but the probe's number and source port is ready. */
export class TunnelPacket {
  readonly octets: Uint8Array;
  /** The probe in it. */
  readonly payload: DataView;
  readonly #udp: number;
  /** Of the pseudo header and of what stays the same of the datagram. */
  readonly #sum: number;
  readonly #varying: number;

  /** @param varying octets at the beginning of the probe that change; an even number */
  constructor(way: ProbeWay, probe: Uint8Array, varying: number) {
    const datagram = datagramOf(way.port, probe);
    const inner = ipPacket(way.source, way.destination, UDP, datagram);
    this.octets = tunnelled(inner, way);
    this.#udp = this.octets.length - datagram.length;
    const payload = this.octets.subarray(this.#udp + UDP_HEADER);
    this.payload = viewOf(payload);
    this.#varying = varying;
    const addresses = sumOf(addressOctets(way.source)) + sumOf(addressOctets(way.destination));
    const ports = way.port + datagram.length;
    this.#sum = addresses + UDP + datagram.length + ports + sumOf(payload, varying);
    const { tunnel } = way;
    if (tunnel?.encapsulation === 'gue' && familyOf(tunnel.server) === 6) this.#sealOuter(tunnel);
  }

  /**
   * IPv6 has a checksum in any case. It covers octets that change, but these always add up to the
   * same: the checksum of the inner datagram makes up for them.
   */
  #sealOuter({ source, server }: Tunnel): void {
    this.seal(0);
    const outer = this.octets.subarray(IPV6_HEADER);
    const addresses = sumOf(addressOctets(source)) + sumOf(addressOctets(server));
    const checksum = folded(addresses + UDP + outer.length + sumOf(outer)) || 0xffff;
    viewOf(outer).setUint16(6, checksum);
  }

  /** Makes the checksum right for what the probe says now. */
  seal(sourcePort: number): void {
    const { octets } = this;
    const udp = this.#udp;
    octets[udp] = sourcePort >> 8;
    octets[udp + 1] = sourcePort & 0xff;
    const payload = udp + UDP_HEADER;
    const varying = sumOf(octets, payload, payload + this.#varying);
    const checksum = folded(this.#sum + sourcePort + varying) || 0xffff;
    octets[udp + 6] = checksum >> 8;
    octets[udp + 7] = checksum & 0xff;
  }
}

function datagramOf(port: number, payload: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(UDP_HEADER + payload.length);
  const view = viewOf(datagram);
  view.setUint16(2, port);
  view.setUint16(4, datagram.length);
  datagram.set(payload, UDP_HEADER);
  return datagram;
}

function tunnelled(inner: Uint8Array, { tunnel }: ProbeWay): Uint8Array {
  if (tunnel === null) return inner;
  const { encapsulation, link, source, server, guePort } = tunnel;
  switch (encapsulation) {
    case 'l2': {
      if (link === null) throw new Error('an l2 server is probed by its link address');
      const framed = new Uint8Array(LINK_PREFIX + inner.length);
      viewOf(framed).setUint32(0, link.ifindex, true);
      framed.set(link.mac, 4);
      framed.set(inner, LINK_PREFIX);
      return framed;
    }
    case 'ipip':
      return ipPacket(source, server, (inner[0] ?? 0) >> 4 === 6 ? 41 : 4, inner);
    case 'gue': {
      // Variant 1: the inner packet alone follows the UDP header.
      const datagram = datagramOf(guePort, inner);
      const view = viewOf(datagram);
      view.setUint16(0, guePort);
      return ipPacket(source, server, UDP, datagram);
    }
  }
}

function ipPacket(source: string, destination: string, protocol: number, content: Uint8Array) {
  const six = familyOf(destination) === 6;
  const header = six ? IPV6_HEADER : IPV4_HEADER;
  const packet = new Uint8Array(header + content.length);
  const view = viewOf(packet);
  if (six) {
    packet[0] = 0x60;
    view.setUint16(4, content.length);
    packet[6] = protocol;
    packet[7] = HOPS;
    packet.set(addressOctets(source), 8);
    packet.set(addressOctets(destination), 24);
  } else {
    packet[0] = 0x45;
    view.setUint16(2, packet.length);
    packet[8] = HOPS;
    packet[9] = protocol;
    packet.set(addressOctets(source), 12);
    packet.set(addressOctets(destination), 16);
    view.setUint16(10, folded(sumOf(packet, 0, header)));
  }
  packet.set(content, header);
  return packet;
}

/** 4 octets of IPv4, 16 of IPv6. */
function addressOctets(address: string): Uint8Array {
  const octets = mappedOctets(address);
  return familyOf(address) === 6 ? octets : octets.subarray(12);
}
