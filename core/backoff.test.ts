// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Backoff } from './backoff.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Milliseconds until the attempt that is scheduled by now. */
function pause(backoff: Backoff): number {
  const start = Date.now();
  const attempt = vi.fn();
  backoff.retry(attempt);
  expect(backoff.scheduled).toBe(true);
  vi.advanceTimersToNextTimer();
  expect(attempt).toHaveBeenCalledOnce();
  expect(backoff.scheduled).toBe(false);
  return Date.now() - start;
}

it('doubles the pause up to the longest, and begins anew after a success', () => {
  const backoff = new Backoff({ firstMs: 500, longestMs: 3_000 });
  expect([1, 2, 3, 4, 5].map(() => pause(backoff))).toEqual([500, 1_000, 2_000, 3_000, 3_000]);
  backoff.reset();
  expect(pause(backoff)).toBe(500);
  backoff.useLongest();
  expect(pause(backoff)).toBe(3_000);
});

it('schedules one attempt at a time, the last one asked for', () => {
  const backoff = new Backoff({ firstMs: 500, longestMs: 30_000 });
  const [first, second, third] = [vi.fn(), vi.fn(), vi.fn()];
  backoff.retry(first);
  backoff.retry(second);
  vi.runAllTimers();
  expect(first).not.toHaveBeenCalled();
  expect(second).toHaveBeenCalledOnce();
  backoff.retry(third);
  backoff.cancel();
  expect(backoff.scheduled).toBe(false);
  backoff.retry(third);
  backoff.reset();
  vi.runAllTimers();
  expect(third).not.toHaveBeenCalled();
});

it('spreads the pauses where asked, from half to all of what they would be', () => {
  const at = (random: number) =>
    new Backoff({ firstMs: 100, longestMs: 100, jitter: true, random: () => random });
  expect(pause(at(0))).toBe(50);
  expect(pause(at(0.5))).toBe(75);
  expect(pause(at(0.98))).toBe(99);
});
