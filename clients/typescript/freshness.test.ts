// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Freshness } from './freshness.js';

let awake: number;
let always: number;
let passed: number;
let freshness: Freshness;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  [awake, always, passed] = [1000, 5000, 0];
  const clock = { awake: () => awake, always: () => always };
  freshness = new Freshness(() => {
    passed += 1;
  }, clock);
});
afterEach(() => {
  freshness.close();
  vi.useRealTimers();
});

function elapse(milliseconds: number): void {
  awake += milliseconds;
  always += milliseconds;
}

it('has no end while the sidecar does not say how long', () => {
  elapse(1e9);
  vi.advanceTimersByTime(10_000);
  expect(freshness.passed).toBe(false);
  freshness.limit(100);
  freshness.limit(0);
  expect(freshness.passed).toBe(false);
});

it('ends when nothing was heard for the lifetime, with one notice, and begins anew', () => {
  freshness.limit(8000);
  elapse(5000);
  freshness.heard();
  elapse(8000);
  expect(freshness.passed).toBe(false);
  elapse(1);
  expect([freshness.passed, passed, freshness.silence]).toEqual([true, 1, 8001]);
  vi.advanceTimersByTime(5000);
  expect([freshness.passed, passed]).toEqual([true, 1]);
  freshness.heard();
  expect([freshness.passed, freshness.silence]).toEqual([false, 0]);
});

it('gives notice though nobody asks', () => {
  freshness.limit(8000);
  elapse(8001);
  vi.advanceTimersByTime(1000);
  expect(passed).toBe(1);
});

it('counts the time for which the machine was suspended', () => {
  freshness.limit(8000);
  always += 3_600_000;
  vi.advanceTimersByTime(999);
  expect(freshness.passed).toBe(false);
  vi.advanceTimersByTime(1);
  expect([freshness.passed, passed]).toEqual([true, 1]);
  freshness.heard();
  expect(freshness.passed).toBe(false);
});
