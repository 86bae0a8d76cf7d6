// SPDX-License-Identifier: Apache-2.0

import { finish, sum16, transportChecksum } from './checksum.js';
import { type Layer, octetsOf, type Payload, PROTOCOL } from './layer.js';

export interface IcmpFields {
  readonly type: number;
  readonly code?: number;
  /** The four octets after the checksum: next-hop MTU, pointer, or identifier and sequence. */
  readonly rest?: number;
  /** How many octets of the embedded packet the error carries. Default: all of them. */
  readonly embed?: number;
  readonly checksum?: number;
}

function message(fields: IcmpFields, payload: Payload | undefined): Uint8Array {
  const body = octetsOf(payload).subarray(0, fields.embed);
  const octets = new Uint8Array(8 + body.length);
  octets[0] = fields.type;
  octets[1] = fields.code ?? 0;
  new DataView(octets.buffer).setUint32(4, fields.rest ?? 0);
  octets.set(body, 8);
  return octets;
}

/** ICMP (RFC 792); `payload` is the packet that an error is about. */
export function icmp(fields: IcmpFields, payload?: Payload): Layer {
  return {
    type: PROTOCOL.icmp,
    encode() {
      const octets = message(fields, payload);
      new DataView(octets.buffer).setUint16(2, fields.checksum ?? finish(sum16(octets)));
      return octets;
    },
  };
}

/** ICMPv6 (RFC 4443). */
export function icmp6(fields: IcmpFields, payload?: Payload): Layer {
  return {
    type: PROTOCOL.icmp6,
    encode(ip) {
      const octets = message(fields, payload);
      const computed = ip === undefined ? 0 : transportChecksum(ip, PROTOCOL.icmp6, octets);
      new DataView(octets.buffer).setUint16(2, fields.checksum ?? computed);
      return octets;
    },
  };
}

/** RFC 1191: a packet did not fit the next hop, and this error tells the next hop's MTU. */
export function fragmentationNeeded(mtu: number, about: Payload, embed?: number): Layer {
  return icmp({ type: 3, code: 4, rest: mtu, ...(embed === undefined ? {} : { embed }) }, about);
}

/** The same for IPv6 (RFC 4443 section 3.2). */
export function packetTooBig(mtu: number, about: Payload, embed?: number): Layer {
  return icmp6({ type: 2, rest: mtu, ...(embed === undefined ? {} : { embed }) }, about);
}
