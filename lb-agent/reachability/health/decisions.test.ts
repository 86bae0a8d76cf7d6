// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DueHeap } from './due-heap.js';
import { decideOut } from './floor.js';
import { Hysteresis } from './hysteresis.js';

const servers = (count: number, failing: readonly number[], doubtful: readonly number[] = []) =>
  Array.from({ length: count }, (_, i) => ({
    ...{ name: `s${i}`, fails: failing.includes(i), doubtful: doubtful.includes(i) },
  }));

describe('the floor', () => {
  it('lets the failing out, as long as most do not fail', () => {
    expect(decideOut(servers(4, [1]), [], 50)).toEqual({ out: ['s1'], suspect: false });
    expect(decideOut(servers(4, [1, 2]), ['s1'], 50)).toEqual({
      out: ['s1', 's2'],
      suspect: false,
    });
    expect(decideOut(servers(4, [2]), ['s1', 's2'], 50)).toEqual({ out: ['s2'], suspect: false });
  });

  it('lets none out where too many fail or may, and keeps those out that were', () => {
    expect(decideOut(servers(4, [0, 1, 2]), [], 50)).toEqual({ out: [], suspect: true });
    expect(decideOut(servers(4, [0], [1, 2, 3]), [], 50)).toEqual({ out: [], suspect: true });
    expect(decideOut(servers(4, [0, 1, 2]), ['s1'], 50)).toEqual({ out: ['s1'], suspect: true });
  });

  it('never has more out than it allows, also where it rises or servers leave', () => {
    const someOf = fc.uniqueArray(fc.integer({ min: 0, max: 9 }));
    fc.assert(
      fc.property(
        ...[fc.integer({ min: 0, max: 10 }), someOf, someOf, someOf],
        fc.integer({ min: 0, max: 100 }),
        (count, failing, doubtful, before, floor) => {
          const all = servers(count, failing, doubtful);
          const decision = decideOut(
            all,
            before.map((i) => `s${i}`),
            floor,
          );
          expect(count - decision.out.length).toBeGreaterThanOrEqual((count * floor) / 100);
          const fails = all.filter((each) => each.fails).map(({ name }) => name);
          expect(fails).toEqual(expect.arrayContaining([...decision.out]));
          expect(decision.suspect).toBe(decision.out.length < fails.length);
        },
      ),
    );
  });

  it('changes nothing for the worse where it holds', () => {
    expect(decideOut(servers(4, [0, 1]), ['s0', 's2'], 'hold')).toEqual({
      ...{ out: ['s0'], suspect: true },
    });
  });
});

describe('hysteresis', () => {
  it('takes a row, and not a sum', () => {
    const check = new Hysteresis('up');
    const thresholds = { up: 2, down: 3 };
    for (let i = 0; i < 5; i++) {
      check.missed(thresholds);
      check.missed(thresholds);
      check.answered(thresholds);
    }
    expect(check.standing).toBe('up');
    for (let i = 0; i < 3; i++) check.missed(thresholds);
    expect(check.standing).toBe('down');
    for (let i = 0; i < 5; i++) {
      check.answered(thresholds);
      check.missed(thresholds);
    }
    expect(check.standing).toBe('down');
    check.answered(thresholds);
    check.answered(thresholds);
    expect(check.standing).toBe('up');
  });
});

it('what is due comes in the order of time', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 })), (times) => {
      const heap = new DueHeap<number>();
      for (const at of times) heap.add(at, at);
      const taken: number[] = [];
      for (let at = heap.take(40); at !== undefined; at = heap.take(40)) taken.push(at);
      const wanted = times.filter((at) => at <= 40).sort((a, b) => a - b);
      expect(taken).toEqual(wanted);
      expect(heap.size).toBe(times.length - wanted.length);
    }),
  );
});
