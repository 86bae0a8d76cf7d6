// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GRACE_MS } from './grace-period.js';
import { type Region, RegionAllocator } from './region-allocator.js';
import { ManualClock } from './testing/manual-clock.js';

describe('RegionAllocator', () => {
  it('never gives an entry to two owners, and gets all of them back', () => {
    const step = fc.record({
      size: fc.integer({ min: 1, max: 30 }),
      release: fc.nat(),
      wait: fc.nat(200),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const clock = new ManualClock();
        const regions = new RegionAllocator('test', { start: 5, size: 200 }, clock);
        const owned: Region[] = [];
        for (const { size, release, wait } of steps) {
          clock.pass(wait);
          if (release % 2 === 0 && owned.length > 0) {
            regions.release(owned.splice(release % owned.length, 1)[0]!);
            continue;
          }
          try {
            const region = regions.allocate(size);
            expect(region.start >= 5 && region.start + region.size <= 205).toBe(true);
            for (const other of owned) {
              const apart =
                region.start + region.size <= other.start ||
                other.start + other.size <= region.start;
              expect(apart).toBe(true);
            }
            owned.push(region);
          } catch (error) {
            expect(error).toMatchObject({ code: 'MAP_FULL' });
          }
        }
        for (const region of owned) regions.release(region);
        clock.pass(GRACE_MS);
        expect(regions.allocate(200)).toEqual({ start: 5, size: 200 });
      }),
    );
  });

  it('lets what is given back rest, and wipes it only then', () => {
    const clock = new ManualClock();
    const regions = new RegionAllocator('test', { start: 0, size: 10 }, clock);
    const region = regions.allocate(6);
    let wiped = false;
    regions.release(region, () => {
      wiped = true;
    });
    expect(regions.allocate(4).start).toBe(6);
    regions.sweep();
    expect(wiped).toBe(false);
    // No other region is left, so this waits for the one that rests.
    expect(regions.allocate(6).start).toBe(0);
    expect(wiped).toBe(true);
    expect(clock.waited).toBe(GRACE_MS);
  });

  it('knows what the kernel already uses', () => {
    const regions = new RegionAllocator('test', { start: 0, size: 10 }, new ManualClock());
    regions.reserve({ start: 3, size: 4 });
    expect(() => regions.reserve({ start: 6, size: 2 })).toThrow(RangeError);
    expect(regions.allocate(3).start).toBe(0);
    expect(regions.allocate(3).start).toBe(7);
    expect(() => regions.allocate(1)).toThrow(/test has no 1 entries/);
  });
});
