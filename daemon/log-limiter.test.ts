// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { LogLimiter } from './log-limiter.js';

describe('LogLimiter', () => {
  it('passes one line of a kind within the time, and the next one counts those between', () => {
    let now = 5_000;
    const limiter = new LogLimiter({ every: 1_000, now: () => now });
    expect(limiter.pass('a')).toEqual({});
    for (let i = 0; i < 7; i++) expect(limiter.pass('a')).toBeUndefined();
    expect(limiter.pass('b')).toEqual({}); // Kinds do not hide each other.
    now += 999;
    expect(limiter.pass('a')).toBeUndefined();
    now += 1;
    expect(limiter.pass('a')).toEqual({ suppressed: 8 });
    now += 1_000;
    expect(limiter.pass('a')).toEqual({});
  });

  it('tells at a flush of what no later line told, once', () => {
    const limiter = new LogLimiter({ now: () => 0 });
    const told: unknown[] = [];
    limiter.pass('a');
    limiter.pass('b');
    limiter.pass('b');
    limiter.pass('b');
    limiter.flush((...what) => told.push(what));
    limiter.flush((...what) => told.push(what));
    expect(told).toEqual([['b', 2]]);
    expect(limiter.pass('b')).toBeUndefined(); // A flush lets no more lines through.
  });
});
