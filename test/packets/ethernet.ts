// SPDX-License-Identifier: Apache-2.0
import { mac } from './address.js';
import { ETHERTYPE, type Layer, octetsOf, type Payload, typeOf } from './layer.js';

export const CLIENT_MAC = '02:00:00:00:00:01';
export const BALANCER_MAC = '02:00:00:00:00:02';

export interface EthernetFields {
  readonly source?: string;
  readonly destination?: string;
  readonly type?: number;
  /** Shorter frames are padded with zeros to this length in octets; a wire has 60. */
  readonly minimum?: number;
}

/** A whole frame: `ethernet(payload)` or `ethernet(fields, payload)`. */
export function ethernet(...parts: [Payload] | [EthernetFields, Payload]): Uint8Array {
  const [fields, payload] = parts.length === 2 ? parts : [{}, parts[0]];
  const body = octetsOf(payload);
  const frame = new Uint8Array(Math.max(14 + body.length, fields.minimum ?? 0));
  frame.set(mac(fields.destination ?? BALANCER_MAC), 0);
  frame.set(mac(fields.source ?? CLIENT_MAC), 6);
  new DataView(frame.buffer).setUint16(12, fields.type ?? typeOf(payload, 0xffff));
  frame.set(body, 14);
  return frame;
}

/** A VLAN tag (802.1Q; 802.1ad with `type: ETHERTYPE.qinq`). */
export function vlan(
  fields: { id: number; priority?: number; type?: number },
  payload: Payload,
): Layer {
  return {
    type: fields.type ?? ETHERTYPE.vlan,
    encode() {
      const body = octetsOf(payload);
      const octets = new Uint8Array(4 + body.length);
      const view = new DataView(octets.buffer);
      view.setUint16(0, ((fields.priority ?? 0) << 13) | fields.id);
      view.setUint16(2, typeOf(payload, 0xffff));
      octets.set(body, 4);
      return octets;
    },
  };
}
