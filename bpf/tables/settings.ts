// SPDX-License-Identifier: Apache-2.0
import { SETTINGS } from './layout.js';
import type { ArrayView } from './words.js';

/** struct settings of abi.h, but for the masks that follow from the capacity. */
export interface Settings {
  /** 64 bits. The same on every balancer, or their rings disagree. */
  readonly hashSeed: bigint;
  /** 0 = no events; else one packet in so many, per CPU. */
  readonly sampleEvery: number;
  /** Per CPU, an upper bound on sampled events. */
  readonly eventsPerSecond: number;
  /** Timeout of a flow of one packet. */
  readonly freshSeconds: number;
  /** Idle timeouts of established flows. */
  readonly udpSeconds: number;
  readonly tcpSeconds: number;
  /** Low bits of the outer IPv4 source that carry entropy, 0..32; the others are the template's. */
  readonly sourceBits: number;
  /** Of the link towards the servers: octets of an IP packet, outer header included; 65535 = no limit. */
  readonly mtu: number;
  /** Per CPU, an upper bound on "too big" answers. */
  readonly icmpPerSecond: number;
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
  icmpPerSecond: 100,
  guePort: 6080,
};

const MOST_MTU = 65_535;

/** Stores the fields that are given, each as one word. @throws RangeError for an MTU that IP has no room for */
export function storeSettings(view: ArrayView, settings: Partial<Settings>): void {
  const word = (offset: number, value: number | undefined) => {
    if (value !== undefined) view.store32(offset, value);
  };
  if (settings.mtu !== undefined && (settings.mtu < 1 || settings.mtu > MOST_MTU)) {
    throw new RangeError(`an MTU of ${settings.mtu} octets`);
  }
  const long = (offset: number, value: bigint | number | undefined) => {
    if (value !== undefined) view.store64(offset, BigInt(value));
  };
  long(SETTINGS.hash_seed, settings.hashSeed);
  long(SETTINGS.sample_every, settings.sampleEvery);
  long(SETTINGS.events_per_second, settings.eventsPerSecond);
  word(SETTINGS.fresh_seconds, settings.freshSeconds);
  word(SETTINGS.udp_seconds, settings.udpSeconds);
  word(SETTINGS.tcp_seconds, settings.tcpSeconds);
  if (settings.sourceBits !== undefined) word(SETTINGS.source_mask, maskOf(settings.sourceBits));
  word(SETTINGS.mtu, settings.mtu);
  word(SETTINGS.icmp_per_second, settings.icmpPerSecond);
  // The port is the low half of its word; the rest is reserved.
  if (settings.guePort !== undefined) word(SETTINGS.gue_port, swap16(settings.guePort));
}

export function loadSettings(view: ArrayView): Settings {
  return {
    hashSeed: view.load64(SETTINGS.hash_seed),
    sampleEvery: Number(view.load64(SETTINGS.sample_every)),
    eventsPerSecond: Number(view.load64(SETTINGS.events_per_second)),
    freshSeconds: view.load32(SETTINGS.fresh_seconds),
    udpSeconds: view.load32(SETTINGS.udp_seconds),
    tcpSeconds: view.load32(SETTINGS.tcp_seconds),
    sourceBits: bitsOf(view.load32(SETTINGS.source_mask)),
    mtu: view.load32(SETTINGS.mtu),
    icmpPerSecond: view.load32(SETTINGS.icmp_per_second),
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
