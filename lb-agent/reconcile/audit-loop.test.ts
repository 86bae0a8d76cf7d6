// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AuditLoop } from './audit-loop.js';
import type { Drift } from './drift.js';

const DRIFT: Drift = { table: 'reals', count: 2, what: 'real 1', operations: [] };

let clock: number;
let lines: { msg: string; table?: string }[];
let loop: AuditLoop | undefined;
const log = pino({}, { write: (line: string) => lines.push(JSON.parse(line)) });

beforeEach(() => {
  vi.useFakeTimers();
  clock = 0;
  lines = [];
});
afterEach(() => {
  loop?.close();
  vi.useRealTimers();
});

function audit(pass: () => Generator<Drift | null, boolean, void>, onDoubt = () => {}): AuditLoop {
  loop = new AuditLoop({ pass, onDoubt, log, passMs: 1000, now: () => clock });
  return loop;
}

it('counts and logs what a pass mended, and begins the next pass after the time for one', () => {
  let passes = 0;
  const { found } = audit(function* () {
    passes++;
    yield null;
    if (passes === 2) yield DRIFT;
    return true;
  });
  vi.advanceTimersByTime(999);
  expect([passes, found.get('reals')]).toEqual([1, 0]);
  vi.advanceTimersByTime(1);
  expect([passes, found.get('reals')]).toEqual([2, 2]);
  expect(lines).toMatchObject([{ table: 'reals', entries: 2, what: 'real 1' }]);
});

it('lets others have the process after two milliseconds', () => {
  let steps = 0;
  audit(function* () {
    for (;;) {
      steps++;
      clock += 1;
      yield null;
    }
  });
  vi.advanceTimersByTime(0);
  expect(steps).toBe(2);
  vi.advanceTimersByTime(7);
  expect(steps).toBe(2);
  vi.advanceTimersByTime(1);
  expect(steps).toBe(4);
});

it('begins anew, at once, when the tables were written', () => {
  let begun = 0;
  const running = audit(function* () {
    begun++;
    for (;;) {
      clock += 1;
      yield null;
    }
  });
  vi.advanceTimersByTime(20);
  expect(begun).toBe(1);
  running.restart();
  vi.advanceTimersByTime(0);
  expect(begun).toBe(2);
});

it('says once that tables cannot be mended, asks for the goal, and goes on', () => {
  let doubts = 0;
  let passes = 0;
  const running = audit(
    // biome-ignore lint/correctness/useYield: it fails before its first step
    function* () {
      passes++;
      if (passes < 3) throw new Error('full');
      return true;
    },
    () => doubts++,
  );
  vi.advanceTimersByTime(1000);
  expect([doubts, lines.length, running.lastPass]).toEqual([2, 1, undefined]);
  vi.advanceTimersByTime(1000);
  expect([doubts, passes]).toEqual([2, 3]);
  expect(running.lastPass).toBeInstanceOf(Date);
});

it('does nothing after it is closed', () => {
  let passes = 0;
  const running = audit(
    // biome-ignore lint/correctness/useYield: a pass without a step
    function* () {
      passes++;
      return true;
    },
  );
  running.close();
  running.restart();
  vi.advanceTimersByTime(5000);
  expect(passes).toBe(0);
});
