// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildRing, isPrime, type RingServer, ringSize } from './maglev.js';

const SIZE = 4099;

function servers(count: number, weight = 100): RingServer[] {
  return Array.from({ length: count }, (_, i) => ({ key: `server-${i}`, real: i + 1, weight }));
}

function shares(ring: Uint32Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const real of ring) counts.set(real, (counts.get(real) ?? 0) + 1);
  return counts;
}

/** The share of entries that moved, among those whose server is still there. */
function moved(before: Uint32Array, after: Uint32Array, gone = -1): number {
  let kept = 0;
  let changed = 0;
  before.forEach((real, i) => {
    if (real === gone) return;
    kept++;
    if (after[i] !== real) changed++;
  });
  return changed / kept;
}

describe('a ring', () => {
  it('is shared by weight', () => {
    const weights = [100, 50, 25, 100];
    const some = servers(4).map((server, i) => ({ ...server, weight: weights[i]! }));
    const counts = shares(buildRing(some, SIZE));
    some.forEach(({ real, weight }) => {
      const fair = (SIZE * weight) / 275;
      expect(Math.abs(counts.get(real)! - fair)).toBeLessThan(4);
    });
  });

  it('is the same on every balancer: neither order nor indices matter', () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 60_000 }), {
      minLength: 20,
      maxLength: 20,
    });
    fc.assert(
      fc.property(numbers, (indices) => {
        const one = servers(20);
        const other = one.map((server, i) => ({ ...server, real: indices[i]! }));
        const shuffled = [...other].sort((a, b) => a.real - b.real);
        const names = new Map(other.map(({ key, real }) => [real, key]));
        const ring = buildRing(one, SIZE);
        const otherRing = buildRing(shuffled, SIZE);
        ring.forEach((real, i) => {
          if (names.get(otherRing[i]!) !== one[real - 1]!.key) expect.fail(`entry ${i} differs`);
        });
      }),
      { numRuns: 10 },
    );
  });

  it('moves few entries when a server leaves or comes', () => {
    const all = servers(100);
    const size = ringSize(100);
    const full = buildRing(all, size);
    const without = buildRing(
      all.filter(({ real }) => real !== 42),
      size,
    );
    expect(moved(full, without, 42)).toBeLessThan(0.03);
    // The share of the new server is no disruption.
    const disrupted = [...full].filter((real, i) => without[i] !== real && real !== 42).length;
    expect(disrupted / size).toBeLessThan(0.03);
  });

  it('moves few entries when a weight changes', () => {
    const all = servers(50);
    const before = buildRing(all, SIZE);
    const after = buildRing(
      all.map((s) => (s.real === 7 ? { ...s, weight: 50 } : s)),
      SIZE,
    );
    expect(moved(before, after)).toBeLessThan(0.06);
  });

  it('leads nowhere without a server of any weight', () => {
    expect(shares(buildRing([], SIZE))).toEqual(new Map([[0, SIZE]]));
    expect(shares(buildRing(servers(3, 0), SIZE))).toEqual(new Map([[0, SIZE]]));
  });

  it('gives every server its share, up to ten thousand of them', () => {
    const count = 10_000;
    const size = ringSize(count);
    const counts = shares(buildRing(servers(count), size));
    expect(counts.size).toBe(count);
    expect(Math.min(...counts.values())).toBeGreaterThanOrEqual(Math.floor(size / count));
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(Math.ceil(size / count));
  });
});

it('a ring has a prime number of entries', () => {
  for (const count of [1, 3, 100, 5000]) {
    expect(isPrime(ringSize(count))).toBe(true);
    expect(ringSize(count)).toBeGreaterThanOrEqual(100 * count);
  }
  expect([2, 3, 4, 9, 4099, 65537].map(isPrime)).toEqual([true, true, false, false, true, true]);
});
