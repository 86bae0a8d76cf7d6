// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';

/** A server's claim to entries of a ring. */
export interface RingServer {
  /** What identifies the server on every balancer: its name or address. */
  readonly key: string;
  /** Index of the real on this balancer. It has no influence on which entries the server gets. */
  readonly real: number;
  /** 0..65535; a server of weight 0 gets no entry. */
  readonly weight: number;
}

/** Entries that a server has on average, so that shares are right to a few percent. */
const ENTRIES_PER_SERVER = 100;
export const SMALLEST_RING = 4099;

/**
 * Maglev (Eisenbud et al., NSDI 2016, section 3.4) with weights. Each server walks the ring in
 * an order of its own and takes the next free entry at each of its turns; a server of half the
 * weight has every second turn. Two balancers with the same servers make the same ring, in
 * whatever order `servers` come. If one server changes, few entries of the others move.
 *
 * @param size a prime, so that every step visits every entry
 * @returns a real for each entry; all 0 if no server has weight
 */
export function buildRing(servers: readonly RingServer[], size: number): Uint32Array {
  const ring = new Uint32Array(size);
  const walkers = servers
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ key, real, weight }) => ({ real, weight, ...walkOf(key, size), credit: 0 }));
  const heaviest = walkers.reduce((most, { weight }) => Math.max(most, weight), 0);
  const taken = new Uint8Array(size);
  for (let filled = 0; walkers.length > 0; ) {
    for (const walker of walkers) {
      walker.credit += walker.weight;
      if (walker.credit < heaviest) continue;
      walker.credit -= heaviest;
      let { at } = walker;
      const { step } = walker;
      while (taken[at] === 1) {
        at += step;
        // A step is shorter than the ring; a division for each would be most of the work.
        if (at >= size) at -= size;
      }
      taken[at] = 1;
      ring[at] = walker.real;
      walker.at = at;
      if (++filled === size) return ring;
    }
  }
  return ring;
}

/** A prime with at least 100 entries for each server. */
export function ringSize(servers: number): number {
  let size = Math.max(SMALLEST_RING, ENTRIES_PER_SERVER * servers) | 1;
  while (!isPrime(size)) size += 2;
  return size;
}

export function isPrime(number: number): boolean {
  if (number < 4) return number > 1;
  if (number % 2 === 0) return false;
  for (let divisor = 3; divisor * divisor <= number; divisor += 2) {
    if (number % divisor === 0) return false;
  }
  return true;
}

/** Where a server's walk starts and how far each step goes: two independent numbers. */
function walkOf(key: string, size: number): { at: number; step: number } {
  const digest = createHash('sha256').update(key).digest();
  return { at: digest.readUInt32BE(0) % size, step: 1 + (digest.readUInt32BE(4) % (size - 1)) };
}
