// SPDX-License-Identifier: Apache-2.0
import { ip } from './address.js';
import { finish, sum16 } from './checksum.js';
import { ETHERTYPE, type Layer, octetsOf, type Payload, protocolOf } from './layer.js';

export interface Ipv4Fields {
  readonly source: string;
  readonly destination: string;
  /** DSCP and ECN together: the whole octet. */
  readonly tos?: number;
  readonly ttl?: number;
  readonly id?: number;
  readonly dontFragment?: boolean;
  /** `offset` in octets, a multiple of 8. */
  readonly fragment?: { readonly offset: number; readonly more: boolean };
  /** The options, which are padded to a multiple of 4 octets. */
  readonly options?: Uint8Array;
  readonly protocol?: number;
  readonly version?: number;
  /** Header length field, in words of 4 octets. */
  readonly headerWords?: number;
  /** Total length field. */
  readonly length?: number;
  readonly checksum?: number;
}

export function ipv4(fields: Ipv4Fields, payload?: Payload): Layer {
  return {
    type: ETHERTYPE.ipv4,
    encode() {
      const source = ip(fields.source);
      const destination = ip(fields.destination);
      const body = octetsOf(payload, { source, destination });
      const options = fields.options ?? new Uint8Array(0);
      const headerLength = 20 + Math.ceil(options.length / 4) * 4;
      const octets = new Uint8Array(headerLength + body.length);
      const view = new DataView(octets.buffer);
      octets[0] = ((fields.version ?? 4) << 4) | (fields.headerWords ?? headerLength / 4);
      octets[1] = fields.tos ?? 0;
      view.setUint16(2, fields.length ?? octets.length);
      view.setUint16(4, fields.id ?? 0);
      const { offset, more } = fields.fragment ?? { offset: 0, more: false };
      const flags = (fields.dontFragment ? 0x4000 : 0) | (more ? 0x2000 : 0);
      view.setUint16(6, flags | (offset >> 3));
      octets[8] = fields.ttl ?? 64;
      octets[9] = fields.protocol ?? protocolOf(payload, 253);
      octets.set(source, 12);
      octets.set(destination, 16);
      octets.set(options, 20);
      view.setUint16(10, fields.checksum ?? finish(sum16(octets.subarray(0, headerLength))));
      octets.set(body, headerLength);
      return octets;
    },
  };
}
