// SPDX-License-Identifier: Apache-2.0
/**
 * flow_hash and entropy_hash of bpf/kernel/hash.h. They compute in halves of 32 bits, because
 * BigInt is too slow.
 */
import type { Datagram } from './datagram.js';

const MULTIPLIER_1 = { hi: 0x9e3779b9, lo: 0x7f4a7c15 };
const MULTIPLIER_2 = { hi: 0xc4ceb9fe, lo: 0x1a85ec53 };

/** A number of 64 bits. */
export interface Word64 {
  readonly hi: number;
  readonly lo: number;
}

function multiply(a: Word64, b: Word64): Word64 {
  const a0 = a.lo & 0xffff;
  const a1 = a.lo >>> 16;
  const b0 = b.lo & 0xffff;
  const b1 = b.lo >>> 16;
  const low = a0 * b0;
  const middle = a0 * b1 + a1 * b0 + Math.floor(low / 0x10000);
  const high = a1 * b1 + Math.floor(middle / 0x10000);
  return {
    hi: (high + Math.imul(a.hi, b.lo) + Math.imul(a.lo, b.hi)) >>> 0,
    lo: (((middle & 0xffff) << 16) | (low & 0xffff)) >>> 0,
  };
}

function mix(hash: Word64, hi: number, lo: number): Word64 {
  const once = multiply({ hi: (hash.hi ^ hi) >>> 0, lo: (hash.lo ^ lo) >>> 0 }, MULTIPLIER_1);
  const twice = multiply({ hi: once.hi, lo: (once.lo ^ once.hi) >>> 0 }, MULTIPLIER_2);
  // x ^ x >> 29
  const lo29 = ((twice.lo >>> 29) | (twice.hi << 3)) >>> 0;
  return { hi: (twice.hi ^ (twice.hi >>> 29)) >>> 0, lo: (twice.lo ^ lo29) >>> 0 };
}

/** Little-endian words of an address, as low half and high half of one word after another. */
function words(octets: Uint8Array): [number, number, number, number] {
  const word = (at: number): number =>
    at >= octets.length
      ? 0
      : (((octets[at + 3] ?? 0) << 24) |
          ((octets[at + 2] ?? 0) << 16) |
          ((octets[at + 1] ?? 0) << 8) |
          (octets[at] ?? 0)) >>>
        0;
  return [word(0), word(4), word(8), word(12)];
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}

function portsOf({ sourcePort, destinationPort }: Datagram): number {
  return (swap16(sourcePort) | (swap16(destinationPort) << 16)) >>> 0;
}

export interface FlowHash extends Word64 {
  /** Eight bits that tell senders apart. */
  readonly sender: number;
}

export function flowHash(datagram: Datagram, seed: bigint): FlowHash {
  const source = words(datagram.source);
  const destination = words(datagram.destination);
  const start: Word64 = { hi: Number(seed >> 32n), lo: Number(seed & 0xffffffffn) };
  let hash: Word64;
  let sender: Word64;
  if (datagram.family === 6) {
    // The first half of the address is the network's.
    sender = mix(start, source[1], source[0]);
    hash = mix(sender, source[3], source[2]);
    hash = mix(hash, destination[1], destination[0]);
    hash = mix(hash, destination[3], destination[2]);
  } else {
    sender = mix(start, destination[0], source[0]);
    hash = sender;
  }
  return { ...mix(hash, datagram.protocol, portsOf(datagram)), sender: sender.lo & 0xff };
}

/** Returns 32 bits. */
export function entropyHash(datagram: Datagram): number {
  const [lo0, hi0, lo1, hi1] = words(datagram.source);
  const hi = (hi0 ^ hi1 ^ portsOf(datagram)) >>> 0;
  const lo = (lo0 ^ lo1 ^ hi) >>> 0;
  return multiply({ hi, lo }, MULTIPLIER_1).hi;
}
