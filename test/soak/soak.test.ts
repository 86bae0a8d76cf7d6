// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { type SoakResult, soak } from './soak.js';
import { faultsOf, growthOf, type LIMITS } from './verdict.js';

const MB = 1024 * 1024;
/** Limits for a run that is hardly longer than its warm-up. */
const SHORT: typeof LIMITS = { rss: 32 * MB, heap: 4 * MB, fds: 4 };

// `npm run soak` does the same with 100 million CIDs.
it('issues through rotations in flat memory, and nothing old after a switch', {
  timeout: 300_000,
}, async () => {
  const seen: number[] = [];
  const result = await soak({ cids: 600_000, report: ({ cids }) => seen.push(cids) });
  expect(faultsOf(result, SHORT)).toEqual([]);
  expect(result.rotations).toBe(10);
  expect(result.taken).toBeGreaterThan(600_000);
  expect(result.samples).toHaveLength(30);
  expect(seen).toEqual(result.tenths.map(({ cids }) => cids));
  expect(seen.at(-1)).toBeGreaterThanOrEqual(600_000);
  for (const { rss, heap, fds, perSecond } of result.tenths) {
    expect(Math.min(rss - 20 * MB, heap - MB, fds - 10, perSecond)).toBeGreaterThan(0);
  }
});

it.each([
  ['what warms up at first is flat', (i: number) => (i < 10 ? i * 20 : 200), 0],
  ['a jump that is given back is flat', (i: number) => (i === 25 ? 900 : 100), 0],
  ['a leak is not', (i: number) => 100 + i, 10],
])('%s', (_, megabytes, grown) => {
  const samples = Array.from({ length: 30 }, (_, i) => ({
    rss: megabytes(i) * MB,
    heap: megabytes(i) * MB,
    fds: megabytes(i),
  }));
  expect(growthOf(samples)).toEqual({ rss: grown * MB, heap: grown * MB, fds: grown });
  const others = { stale: 0, unroutable: 0, fdsBefore: 20, fdsAfter: 20 };
  const result: SoakResult = { samples, tenths: [], taken: 0, rotations: 10, ...others };
  expect(faultsOf(result)).toHaveLength(grown === 0 ? 0 : 3);
  expect(faultsOf({ ...result, samples: [], fdsAfter: 21, stale: 1, unroutable: 1 })).toHaveLength(
    3,
  );
});
