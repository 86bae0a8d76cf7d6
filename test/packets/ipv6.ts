// SPDX-License-Identifier: Apache-2.0
import { ip } from './address.js';
import { ETHERTYPE, type Layer, octetsOf, type Payload, PROTOCOL, protocolOf } from './layer.js';

export interface Ipv6Fields {
  readonly source: string;
  readonly destination: string;
  /** DSCP and ECN together. */
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  readonly hopLimit?: number;
  /** Extension headers in the order of the wire. */
  readonly extensions?: readonly Extension[];
  readonly next?: number;
  readonly version?: number;
  /** Payload length field. */
  readonly length?: number;
}

/** An IPv6 extension header. `octets` leaves out its first octet, "next header". */
export interface Extension {
  readonly type: number;
  readonly octets: Uint8Array;
}

/** Hop-by-hop or destination options, filled with PadN up to `length` octets (8, 16, ...). */
export function ipv6Options(type: 0 | 60, length = 8): Extension {
  const octets = new Uint8Array(length - 1);
  octets.set([length / 8 - 1, 1, length - 4]);
  return { type, octets };
}

/** A routing header of an unassigned type with no segments left. */
export function ipv6Routing(length = 8): Extension {
  const octets = new Uint8Array(length - 1);
  octets.set([length / 8 - 1, 253, 0]);
  return { type: PROTOCOL.routing, octets };
}

/** A fragment header. `offset` in octets, a multiple of 8. */
export function ipv6Fragment(fields: { offset: number; more: boolean; id?: number }): Extension {
  const octets = new Uint8Array(7);
  const view = new DataView(octets.buffer);
  view.setUint16(1, fields.offset | (fields.more ? 1 : 0));
  view.setUint32(3, fields.id ?? 1);
  return { type: PROTOCOL.fragment, octets };
}

/** An authentication header (RFC 4302), whose length field is the number of 4-octet words less 2. */
export function ipv6Authentication(length = 24): Extension {
  const octets = new Uint8Array(length - 1);
  octets[0] = length / 4 - 2;
  return { type: PROTOCOL.authentication, octets };
}

export function ipv6(fields: Ipv6Fields, payload?: Payload): Layer {
  return {
    type: ETHERTYPE.ipv6,
    encode() {
      const source = ip(fields.source);
      const destination = ip(fields.destination);
      const body = octetsOf(payload, { source, destination });
      const extensions = fields.extensions ?? [];
      const types = [...extensions.map((e) => e.type), fields.next ?? protocolOf(payload, 59)];
      const parts = extensions.flatMap((e, i) => [Uint8Array.of(types[i + 1] ?? 59), e.octets]);
      const rest = Buffer.concat([...parts, body]);
      const octets = new Uint8Array(40 + rest.length);
      const view = new DataView(octets.buffer);
      const { version = 6, trafficClass = 0, flowLabel = 0 } = fields;
      view.setUint32(0, version * 2 ** 28 + trafficClass * 2 ** 20 + flowLabel);
      view.setUint16(4, fields.length ?? rest.length);
      octets[6] = types[0] ?? 59;
      octets[7] = fields.hopLimit ?? 64;
      octets.set(source, 8);
      octets.set(destination, 24);
      octets.set(rest, 40);
      return octets;
    },
  };
}
