// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { HeldCids } from '../../proto/gen/cidecar/v1/sidecar.js';
import { HeldReport } from './held-report.js';

let held: [number, number][];
let said: HeldCids[];
let report: HeldReport;

beforeEach(() => {
  vi.useFakeTimers();
  held = [];
  said = [];
  report = new HeldReport(
    () => held,
    (generations) => said.push(generations),
  );
});
afterEach(() => {
  report.stop();
  vi.useRealTimers();
});

const inWords = ({ generations }: HeldCids) =>
  generations.map(({ generation, connections }) => `${connections} of ${generation}`);

it('adds up those of one generation, and leaves out those of which there are none', () => {
  held = [
    [0, 3],
    [0, 1],
    [1000, 2],
    [999, 0],
  ];
  expect(inWords(report.now(1000))).toEqual(['4 of 0', '2 of 1000']);
});

it('looks once a second while there are earlier ones, and says what changed', () => {
  held = [[1, 5]];
  report.now(2);
  vi.advanceTimersByTime(3000);
  expect(said).toEqual([]);
  held = [
    [1, 2],
    [2, 3],
  ];
  vi.advanceTimersByTime(1000);
  expect(said.map(inWords)).toEqual([['2 of 1', '3 of 2']]);
  held = [[2, 5]];
  vi.advanceTimersByTime(1000);
  expect(said).toHaveLength(2);
  held = [[2, 6]]; // Nobody waits for that.
  vi.advanceTimersByTime(10_000);
  expect(said).toHaveLength(2);
});

it('counts connections at most once a second, however many give up CIDs', () => {
  let counted = 0;
  report = new HeldReport(
    () => {
      counted += 1;
      return [[2, counted]];
    },
    (generations) => said.push(generations),
  );
  for (let each = 0; each < 1000; each += 1) report.soon(2);
  expect(said.map(inWords)).toEqual([['1 of 2']]);
  vi.advanceTimersByTime(1000);
  expect(said.map(inWords)).toEqual([['1 of 2'], ['2 of 2']]);
  vi.advanceTimersByTime(10_000);
  expect(counted).toBe(2);
});
