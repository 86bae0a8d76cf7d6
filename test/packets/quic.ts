// SPDX-License-Identifier: Apache-2.0
import { filler, octetsOf, type Payload } from './layer.js';

export const QUIC_VERSION = {
  negotiation: 0,
  v1: 0x00000001,
  v2: 0x6b3343cf,
  /** A version of the pattern that is reserved for greasing (RFC 9000 section 15). */
  greased: 0x1a2a3a4a,
} as const;

export interface QuicLongFields {
  readonly dcid: Payload;
  readonly scid?: Payload;
  readonly version?: number;
  /** First octet, whose top bit is the header form. Default: that of an Initial of version 1. */
  readonly first?: number;
  /** Wrong length octets, 0..255 each (RFC 8999 section 5.1). */
  readonly dcidLength?: number;
  readonly scidLength?: number;
}

/** A QUIC packet with a long header, of which RFC 8999 section 5.1 defines the first fields. */
export function quicLong(fields: QuicLongFields, payload: Payload = filler(40)): Uint8Array {
  const dcid = octetsOf(fields.dcid);
  const scid = octetsOf(fields.scid);
  const head = new Uint8Array(5);
  head[0] = fields.first ?? 0xc3;
  new DataView(head.buffer).setUint32(1, fields.version ?? QUIC_VERSION.v1);
  return Uint8Array.from(
    Buffer.concat(
      [
        head,
        [fields.dcidLength ?? dcid.length],
        dcid,
        [fields.scidLength ?? scid.length],
        scid,
        octetsOf(payload),
      ].map((part) => Uint8Array.from(part)),
    ),
  );
}

export interface QuicShortFields {
  readonly dcid: Payload;
  /** First octet, whose top bit, the header form, is 0. Default: only the fixed bit is set. */
  readonly first?: number;
}

/** A QUIC packet with a short header (RFC 8999 section 5.2). */
export function quicShort(fields: QuicShortFields, payload: Payload = filler(30)): Uint8Array {
  const octets = Buffer.concat([
    Uint8Array.of(fields.first ?? 0x43),
    octetsOf(fields.dcid),
    octetsOf(payload),
  ]);
  return Uint8Array.from(octets);
}

/** Several QUIC packets in one datagram (RFC 9000 section 12.2). */
export function coalesced(...packets: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(packets));
}
