// SPDX-License-Identifier: Apache-2.0

import { EVENT } from './layout.js';
import { addressText } from './mapped-address.js';
import { FIRST_REMARK, REASONS, type Reason, reasonName } from './reasons.js';

/** struct event of abi.h: a sampled packet, and what was decided about it. */
export interface PacketEvent {
  /** Nanoseconds of CLOCK_MONOTONIC, with the resolution of a tick. */
  readonly timestamp: bigint;
  /**
   * Text of an address. The tuple of an ICMP error is that of the packet that it quotes, in the
   * client's direction.
   */
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** IP protocol. */
  readonly protocol: number;
  /** The outcome; a number if the program is newer and knows more reasons than this build. */
  readonly reason: Reason | number;
  /** Why a packet to a QUIC VIP was not routed by its CID; null if there is nothing to say. */
  readonly remark: Reason | number | null;
  /** Row of the VIP. */
  readonly vip: number;
  /** Index of the real; 0 if the packet went to no server. */
  readonly real: number;
  /** Length of the packet as received, Ethernet header included. */
  readonly octets: number;
  /**
   * The DCID of a long header. Of a short header, whatever follows its first octet, because
   * only the issuer knows where that CID ends.
   */
  readonly cid: Uint8Array;
  /** Octets, as the packet says; `cid` holds at most the first 20. */
  readonly cidLength: number;
}

/** What a packet comes to before it is sampled, or after: no event has it. */
const NEVER: readonly Reason[] = [
  'not_unicast',
  'no_headroom',
  'fragment_first',
  'fragment_later',
  'fragment_passed',
  'tunnel_too_big',
];

/** Whether an event can have this outcome or remark. */
export function isSampled(reason: Reason): boolean {
  const number = REASONS[reason];
  if (number >= FIRST_REMARK) return number <= REASONS.quic_truncated;
  // What the program decides from addresses alone is not sampled.
  return number > REASONS.vip_icmp && !NEVER.includes(reason);
}

/** Reads a record of the ring buffer `events`. */
export function readEvent(octets: Uint8Array): PacketEvent {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const address = (at: number) => addressText(octets.subarray(at, at + 16));
  const named = (number: number) => reasonName(number) ?? number;
  const remark = view.getUint8(EVENT.remark);
  const cidLength = view.getUint8(EVENT.cid_length);
  return {
    timestamp: view.getBigUint64(EVENT.timestamp, true),
    source: address(EVENT.source),
    sourcePort: view.getUint16(EVENT.source_port),
    destination: address(EVENT.destination),
    destinationPort: view.getUint16(EVENT.destination_port),
    protocol: view.getUint8(EVENT.protocol),
    reason: named(view.getUint8(EVENT.reason)),
    remark: remark === 0 ? null : named(remark),
    vip: view.getUint32(EVENT.vip, true),
    real: view.getUint32(EVENT.real, true),
    octets: view.getUint32(EVENT.octets, true),
    cid: octets.slice(EVENT.cid, EVENT.cid + Math.min(cidLength, EVENT.cid_octets)),
    cidLength,
  };
}
