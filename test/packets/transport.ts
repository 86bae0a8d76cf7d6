// SPDX-License-Identifier: Apache-2.0
import { transportChecksum } from './checksum.js';
import { type Layer, octetsOf, type Payload, PROTOCOL } from './layer.js';

export interface UdpFields {
  readonly source: number;
  readonly destination: number;
  readonly length?: number;
  readonly checksum?: number;
}

export function udp(fields: UdpFields, payload?: Payload): Layer {
  return {
    type: PROTOCOL.udp,
    encode(ip) {
      const body = octetsOf(payload);
      const octets = new Uint8Array(8 + body.length);
      const view = new DataView(octets.buffer);
      view.setUint16(0, fields.source);
      view.setUint16(2, fields.destination);
      view.setUint16(4, fields.length ?? octets.length);
      octets.set(body, 8);
      // RFC 768: a computed checksum of zero is sent as all ones.
      const computed = ip === undefined ? 0 : transportChecksum(ip, PROTOCOL.udp, octets) || 0xffff;
      view.setUint16(6, fields.checksum ?? computed);
      return octets;
    },
  };
}

export interface TcpFields {
  readonly source: number;
  readonly destination: number;
  readonly sequence?: number;
  readonly syn?: boolean;
  readonly ack?: boolean;
  readonly rst?: boolean;
  readonly fin?: boolean;
  readonly checksum?: number;
}

export function tcp(fields: TcpFields, payload?: Payload): Layer {
  return {
    type: PROTOCOL.tcp,
    encode(ip) {
      const body = octetsOf(payload);
      const octets = new Uint8Array(20 + body.length);
      const view = new DataView(octets.buffer);
      view.setUint16(0, fields.source);
      view.setUint16(2, fields.destination);
      view.setUint32(4, fields.sequence ?? 1);
      octets[12] = 5 << 4;
      const { fin = false, syn = false, rst = false, ack = !fields.syn } = fields;
      octets[13] = (fin ? 1 : 0) | (syn ? 2 : 0) | (rst ? 4 : 0) | (ack ? 16 : 0);
      view.setUint16(14, 65535);
      octets.set(body, 20);
      const computed = ip === undefined ? 0 : transportChecksum(ip, PROTOCOL.tcp, octets);
      view.setUint16(16, fields.checksum ?? computed);
      return octets;
    },
  };
}
