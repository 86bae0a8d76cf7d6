// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { IndexCooldown } from './index-cooldown.js';

const COOLDOWN_MS = 1000;

describe('the cooldown of an index', () => {
  it('is never longer than one cooldown, though the clock was set back since', () => {
    let clock = 5000;
    const cooldown = new IndexCooldown(COOLDOWN_MS, () => clock, [
      { index: 7, until: 1_000_000 },
      { index: 8, until: 5500 },
    ]);
    expect(cooldown.running()).toEqual([
      { index: 7, until: 6000 },
      { index: 8, until: 5500 },
    ]);
    clock = 6000;
    expect([7, 8].map((index) => cooldown.holds(index))).toEqual([false, false]);
  });

  it('ends at its time, and with the next use', () => {
    let clock = 0;
    const cooldown = new IndexCooldown(COOLDOWN_MS, () => clock);
    for (const index of [1, 2]) cooldown.start(index);
    cooldown.used(2, 1);
    clock = COOLDOWN_MS - 1;
    expect([1, 2].map((index) => cooldown.holds(index))).toEqual([true, false]);
    clock = COOLDOWN_MS;
    expect(cooldown.holds(1)).toBe(false);
  });
});

describe('the incarnation of an index', () => {
  it.each([
    [0, 1],
    [1, 2],
    [65_534, 65_535],
    // A field of 16 bits, in which 0 is none.
    [65_535, 1],
  ])('after %d is %d', (last, next) => {
    const cooldown = new IndexCooldown(COOLDOWN_MS, () => 0, [], new Map([[7, last]]));
    expect(cooldown.nextIncarnation(7)).toBe(next);
  });
});
