// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Settling } from './settling.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function count(quiet: number, longest: number) {
  const acts = { count: 0 };
  return { acts, settling: new Settling(quiet, longest, () => acts.count++) };
}

it('acts once for touches that follow each other, when it has been quiet', () => {
  const { acts, settling } = count(50, 500);
  for (let i = 0; i < 5; i++) {
    settling.touch();
    vi.advanceTimersByTime(40);
  }
  expect(acts.count).toBe(0);
  vi.advanceTimersByTime(10);
  expect(acts.count).toBe(1);
  vi.advanceTimersByTime(10_000);
  expect(acts.count).toBe(1);
});

it('acts after the longest time where it is never quiet, again and again', () => {
  const { acts, settling } = count(50, 500);
  for (let ms = 0; ms < 2000; ms += 10) {
    settling.touch();
    vi.advanceTimersByTime(10);
  }
  expect(acts.count).toBe(4);
});

it('does not act when it was cancelled', () => {
  const { acts, settling } = count(50, 500);
  settling.touch();
  settling.cancel();
  vi.advanceTimersByTime(1000);
  expect(acts.count).toBe(0);
});
