// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalOctets, toHex } from '../../core/hex.js';
import { Secret } from '../../core/secret.js';
import { Feistel } from '../crypto/feistel.js';
import { secret } from '../testing/arbitraries.js';
import { hex, ownVectors } from '../testing/vectors.js';
import { NonceSequence, noncesFromCounters, PERMUTATION_PASSES } from './nonce-sequence.js';

const KEY = new Secret(hex('000102030405060708090a0b0c0d0e0f'));

describe('vectors, made by another implementation', () => {
  it.each(ownVectors.permutation)('$nonceLength octets: $counter is $nonce', (row) => {
    const sequence = new NonceSequence(row.nonceLength, new Secret(hex(row.key)));
    const nonce = new Uint8Array(row.nonceLength);
    sequence.fill(BigInt(`0x${row.counter}`), 1, nonce);
    expect(toHex(nonce)).toBe(row.nonce);
  });
});

describe('uniqueness', () => {
  it('is a permutation of all strings of 2 octets, and of 3 (whose halves share one)', () => {
    for (const length of [2, 3]) {
      const size = 256 ** length;
      const nonces = new Uint8Array(size * length);
      noncesFromCounters(0n, size, length, KEY, nonces);
      const seen = new Uint8Array(size);
      for (let at = 0; at < nonces.length; at += length) {
        let value = 0;
        for (let j = 0; j < length; j++) value = value * 256 + nonces[at + j]!;
        seen[value] = 1;
      }
      expect(seen.indexOf(0)).toBe(-1);
    }
  }, 60_000);

  it('every nonce leads back to its counter, at every length, across the end of the range', () => {
    const sample = fc.record({
      length: fc.integer({ min: 4, max: 18 }),
      key: fc.option(secret),
      back: fc.bigInt({ min: 0n, max: 5n }),
      anywhere: fc.bigInt({ min: 0n, max: 1n << 150n }),
      atEnd: fc.boolean(),
    });
    fc.assert(
      fc.property(sample, ({ length, key, back, anywhere, atEnd }) => {
        const sequence = new NonceSequence(length, key);
        const first = atEnd ? sequence.size - back : anywhere;
        const nonces = new Uint8Array(10 * length);
        sequence.fill(first, 10, nonces);
        for (let i = 0; i < 10; i++) {
          const nonce = nonces.slice(i * length, (i + 1) * length);
          expect(sequence.counterOf(nonce)).toBe((first + BigInt(i)) % sequence.size);
        }
      }),
    );
  });

  it('counts on where the lower four octets end', () => {
    const nonces = new Uint8Array(3 * 6);
    noncesFromCounters(0x12_ffff_fffen, 3, 6, null, nonces);
    expect(toHex(nonces)).toBe('0012fffffffe0012ffffffff001300000000');
    noncesFromCounters(0xffff_ffff_ffffn, 2, 6, null, nonces);
    expect(toHex(nonces.subarray(0, 12))).toBe('ffffffffffff000000000000');
  });

  it('without a key the nonces are the counters, big-endian', () => {
    const nonces = new Uint8Array(12);
    noncesFromCounters(0xfffffffen, 3, 4, null, nonces);
    expect(toHex(nonces)).toBe('fffffffeffffffff00000000');
  });

  it('refuses what would repeat or count backwards', () => {
    const out = new Uint8Array(1 << 17);
    expect(() => noncesFromCounters(-1n, 1, 4, null, out)).toThrow(/no counters/);
    expect(() => noncesFromCounters(0n, 1.5, 4, null, out)).toThrow(/no counters/);
    expect(() => noncesFromCounters(0n, 257, 1, null, out)).toThrow(/256 nonces/);
    expect(() => noncesFromCounters(0n, 2, 4, null, new Uint8Array(7))).toThrow(RangeError);
  });
});

/**
 * How far from random the relations of neighbouring nonces are: the worst chi-square, over
 * octets, of the XOR of nonce i and nonce i + stride, in standard deviations. Random
 * permutations stay below 6 (255 degrees of freedom); counters and networks of too few
 * passes are hundreds away.
 */
function worstRelation(nonces: Uint8Array, length: number, strides: readonly number[]): number {
  const count = nonces.length / length;
  let worst = 0;
  for (const stride of strides) {
    for (let j = 0; j < length; j++) {
      const histogram = new Float64Array(256);
      for (let i = 0; i + stride < count; i++) {
        histogram[nonces[i * length + j]! ^ nonces[(i + stride) * length + j]!]!++;
      }
      const expected = (count - stride) / 256;
      const chiSquare = histogram.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
      worst = Math.max(worst, Math.abs(chiSquare - 255) / Math.sqrt(2 * 255));
    }
  }
  return worst;
}

describe('unlinkability of plaintext nonces', () => {
  const COUNT = 1 << 16;
  const STRIDES = [1, 2, 16, 256, 4096];

  const permuted = (length: number, passes: number) => {
    const nonces = new Uint8Array(COUNT * length);
    noncesFromCounters(0n, COUNT, length, null, nonces);
    new Feistel(KEY, length, passes).encrypt(nonces, 0, length, COUNT);
    return nonces;
  };

  it.each([4, 5, 7, 8, 11, 18])('%i octets: no relation shows', (length) => {
    const nonces = new Uint8Array(COUNT * length);
    noncesFromCounters(0n, COUNT, length, KEY, nonces);
    expect(equalOctets(nonces, permuted(length, PERMUTATION_PASSES))).toBe(true);
    expect(worstRelation(nonces, length, STRIDES)).toBeLessThan(6);
  });

  it.each([0, 1, 2])('the test sees the relation that %i passes leave', (passes) => {
    expect(worstRelation(permuted(4, passes), 4, STRIDES)).toBeGreaterThan(100);
  });

  it('another key gives other nonces to the same counters', () => {
    const [one, other] = [KEY, new Secret(hex('010102030405060708090a0b0c0d0e0f'))].map((key) => {
      const nonces = new Uint8Array(COUNT * 4);
      noncesFromCounters(0n, COUNT, 4, key, nonces);
      return nonces;
    });
    const mixed = new Uint8Array(2 * COUNT * 4);
    for (let i = 0; i < COUNT; i++) {
      mixed.set(one!.subarray(i * 4, i * 4 + 4), i * 8);
      mixed.set(other!.subarray(i * 4, i * 4 + 4), i * 8 + 4);
    }
    expect(worstRelation(mixed, 4, [1])).toBeLessThan(6);
  });
});
