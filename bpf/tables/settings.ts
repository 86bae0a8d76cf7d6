// SPDX-License-Identifier: Apache-2.0

import type { ArrayView } from './array-view.js';
import { SETTINGS } from './layout.js';

/** The struct settings of abi.h, without the masks, which follow from the capacity. */
export interface Settings {
  /** 64 bits. It must be the same on every balancer, or their rings disagree. */
  readonly hashSeed: bigint;
  /** On each CPU, one packet in this many becomes an event; 0 for none. */
  readonly sampleEvery: number;
  /** The most events that each CPU samples in a second. */
  readonly eventsPerSecond: number;
  /** Timeout of a flow of which one packet was seen. */
  readonly freshSeconds: number;
  /** Idle timeouts of established flows, in seconds. */
  readonly udpSeconds: number;
  readonly tcpSeconds: number;
  /**
   * How many low bits of the outer IPv4 source vary with the flow, 0..32; the others are those
   * of the real's source address.
   */
  readonly sourceBits: number;
  /**
   * Octets of the largest IP packet on the link towards the servers, outer header included;
   * 65535 for no limit.
   */
  readonly mtu: number;
  /**
   * Of the link that packets come in by: octets of an IP packet; 65535 = not known. What is longer
   * and does not fit a tunnel was joined by an offload (GRO) or not cut yet (GSO), and no answer
   * to it would make its sender send less.
   */
  readonly ingressMtu: number;
  /** Per CPU, an upper bound on "too big" answers. */
  readonly icmpPerSecond: number;
  /** Per CPU, an upper bound on ICMP errors that are sent on to servers. */
  readonly icmpErrorsPerSecond: number;
  readonly guePort: number;
}

export const DEFAULT_SETTINGS: Settings = {
  hashSeed: 0x63_69_64_65_63_61_72n,
  sampleEvery: 0,
  eventsPerSecond: 100,
  freshSeconds: 10,
  udpSeconds: 120,
  tcpSeconds: 3600,
  sourceBits: 0,
  mtu: 1500,
  ingressMtu: 65_535,
  icmpPerSecond: 100,
  icmpErrorsPerSecond: 1000,
  guePort: 6080,
};

const MOST_MTU = 65_535;

/**
 * Stores the fields that are given, each as one word.
 * @throws RangeError for an MTU that is no length of an IP packet
 */
export function storeSettings(view: ArrayView, settings: Partial<Settings>): void {
  const word = (offset: number, value: number | undefined) => {
    if (value !== undefined) view.store32(offset, value);
  };
  for (const mtu of [settings.mtu, settings.ingressMtu]) {
    if (mtu !== undefined && (mtu < 1 || mtu > MOST_MTU)) {
      throw new RangeError(`an MTU of ${mtu} octets`);
    }
  }
  const long = (offset: number, value: bigint | number | undefined) => {
    if (value !== undefined) view.store64(offset, BigInt(value));
  };
  long(SETTINGS.hash_seed, settings.hashSeed);
  long(SETTINGS.sample_every, settings.sampleEvery);
  word(SETTINGS.events_per_second, settings.eventsPerSecond);
  word(SETTINGS.ingress_mtu, settings.ingressMtu);
  word(SETTINGS.fresh_seconds, settings.freshSeconds);
  word(SETTINGS.udp_seconds, settings.udpSeconds);
  word(SETTINGS.tcp_seconds, settings.tcpSeconds);
  if (settings.sourceBits !== undefined) word(SETTINGS.source_mask, maskOf(settings.sourceBits));
  word(SETTINGS.mtu, settings.mtu);
  word(SETTINGS.icmp_per_second, settings.icmpPerSecond);
  word(SETTINGS.icmp_errors_per_second, settings.icmpErrorsPerSecond);
  // The port is the low half of its word; the rest is reserved.
  if (settings.guePort !== undefined) word(SETTINGS.gue_port, swap16(settings.guePort));
}

export function loadSettings(view: ArrayView): Settings {
  return {
    hashSeed: view.load64(SETTINGS.hash_seed),
    sampleEvery: Number(view.load64(SETTINGS.sample_every)),
    eventsPerSecond: view.load32(SETTINGS.events_per_second),
    freshSeconds: view.load32(SETTINGS.fresh_seconds),
    udpSeconds: view.load32(SETTINGS.udp_seconds),
    tcpSeconds: view.load32(SETTINGS.tcp_seconds),
    sourceBits: bitsOf(view.load32(SETTINGS.source_mask)),
    mtu: view.load32(SETTINGS.mtu),
    ingressMtu: view.load32(SETTINGS.ingress_mtu),
    icmpPerSecond: view.load32(SETTINGS.icmp_per_second),
    icmpErrorsPerSecond: view.load32(SETTINGS.icmp_errors_per_second),
    guePort: swap16(view.load32(SETTINGS.gue_port) & 0xffff),
  };
}

/** The low `bits` bits of an address in network order, as a little-endian word. */
function maskOf(bits: number): number {
  return bits === 0 ? 0 : swap32(0xffff_ffff >>> (32 - bits));
}

function bitsOf(mask: number): number {
  return 32 - Math.clz32(swap32(mask));
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}

function swap32(value: number): number {
  return ((swap16(value & 0xffff) << 16) | swap16(value >>> 16)) >>> 0;
}
