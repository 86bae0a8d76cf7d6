// SPDX-License-Identifier: Apache-2.0
// The twin of hash_mix and vip_hash in bpf/kernel/hash.h.

const MULTIPLIER_1 = 0x9e3779b97f4a7c15n;
const MULTIPLIER_2 = 0xc4ceb9fe1a85ec53n;
const MASK = (1n << 64n) - 1n;

function mix(start: bigint, word: bigint): bigint {
  let hash = ((start ^ word) * MULTIPLIER_1) & MASK;
  hash ^= hash >> 32n;
  hash = (hash * MULTIPLIER_2) & MASK;
  return hash ^ (hash >> 29n);
}

/**
 * Which two buckets a VIP may stand in.
 *
 * @param address 16 octets
 * @param mask buckets - 1
 */
export function vipBuckets(
  address: Uint8Array,
  port: number,
  protocol: number,
  mask: number,
): [number, number] {
  const view = new DataView(address.buffer, address.byteOffset, 16);
  const first = view.getBigUint64(0, true);
  const second = view.getBigUint64(8, true);
  // A little-endian host reads the port of the packet like this.
  const swapped = ((port & 0xff) << 8) | (port >> 8);
  const hash = mix(
    first ^ ((second * MULTIPLIER_2) & MASK),
    BigInt(swapped) | (BigInt(protocol) << 16n),
  );
  return [Number(hash & 0xffff_ffffn) & mask, Number(hash >> 32n) & mask];
}
