// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CidecarError } from '../../core/index.js';
import { loggedError } from '../../daemon/log.js';
import type { Goal } from './goal.js';
import { ReconcileLoop } from './reconcile-loop.js';
import { goalOf } from './testing/goals.js';

const goal = (revision: string): Goal => goalOf({ revision, pools: [] });
const [A, B, C] = [goal('a'), goal('b'), goal('c')];
const FULL = new CidecarError('MAP_FULL', 'no place');

interface Line {
  readonly msg: string;
  readonly revision?: string;
  readonly error?: { readonly code?: string; readonly text: string; readonly stack?: string };
}

let lines: Line[];
let attempts: string[];
/** Ends the attempt under way. */
let end: (error?: Error) => void;
let loop: ReconcileLoop;
beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  attempts = [];
  const log = pino(
    { serializers: { error: loggedError } },
    { write: (line: string) => lines.push(JSON.parse(line)) },
  );
  const reconcile = ({ desired }: Goal) => {
    attempts.push(desired.revision);
    return new Promise<void>((resolve, reject) => {
      end = (error) => (error === undefined ? resolve() : reject(error));
    });
  };
  loop = new ReconcileLoop(reconcile, log);
});
afterEach(() => vi.useRealTimers());

async function ended(error?: Error): Promise<void> {
  end(error);
  await vi.advanceTimersByTimeAsync(0);
}

describe('a reconcile loop', () => {
  it('works towards the goal that was wanted last, and passes over those before', async () => {
    for (const each of [A, B, C]) loop.want(each);
    expect(attempts).toEqual(['a']);
    await ended();
    expect(attempts).toEqual(['a', 'c']);
    await ended();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(attempts).toEqual(['a', 'c']);
    expect(lines).toMatchObject([
      { msg: 'desired state applied', revision: 'a' },
      { msg: 'desired state applied', revision: 'c' },
    ]);
  });

  it('tries a newer goal before it repeats one that failed, and says nothing of that', async () => {
    loop.want(A);
    loop.want(B);
    await ended(FULL);
    expect(attempts).toEqual(['a', 'b']);
    await ended();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(attempts).toEqual(['a', 'b']);
    expect(lines).toMatchObject([{ revision: 'b' }]);
  });

  it('says that attempts fail where newer goals come before each of them has ended', async () => {
    loop.want(A);
    for (const each of [B, C, A, B]) {
      loop.want(each);
      await ended(FULL);
    }
    expect(attempts).toEqual(['a', 'b', 'c', 'a', 'b']);
    expect(lines).toMatchObject([
      {
        msg: 'cannot apply the desired state; a newer one is tried',
        error: { code: 'MAP_FULL' },
      },
    ]);
  });

  it('repeats an attempt after pauses that grow, until a newer goal begins anew', async () => {
    loop.want(A);
    await ended(FULL);
    for (const pause of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      const before = attempts.length;
      await vi.advanceTimersByTimeAsync(pause - 1);
      expect(attempts).toHaveLength(before);
      await vi.advanceTimersByTimeAsync(1);
      expect(attempts).toHaveLength(before + 1);
      await ended(FULL);
    }
    const before = attempts.length;
    loop.want(B);
    await ended(FULL);
    await vi.advanceTimersByTimeAsync(500);
    expect(attempts.slice(before)).toEqual(['b', 'b']);
  });

  it('says each error once, however often it is met, and where a bug is', async () => {
    loop.want(A);
    for (const error of [FULL, FULL, new TypeError('x is undefined'), FULL]) {
      await ended(error);
      await vi.advanceTimersByTimeAsync(30_000);
    }
    expect(lines.map(({ error }) => error?.code ?? error?.text)).toEqual([
      'MAP_FULL',
      'x is undefined',
      'MAP_FULL',
    ]);
    expect(lines.map(({ error }) => /reconcile-loop\.test/.test(error?.stack ?? ''))).toEqual([
      false,
      true,
      false,
    ]);
    await ended();
    loop.want(B);
    await ended(FULL);
    expect(lines.slice(3)).toMatchObject([{ revision: 'a' }, { error: { code: 'MAP_FULL' } }]);
  });

  it('closes when the attempt under way has ended, and begins no other', async () => {
    loop.want(A);
    loop.want(B);
    let closed = false;
    const closing = loop.close().then(() => {
      closed = true;
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(closed).toBe(false);
    await ended(FULL);
    await closing;
    loop.want(C);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(attempts).toEqual(['a']);
  });
});
