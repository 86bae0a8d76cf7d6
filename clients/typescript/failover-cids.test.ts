// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { toHex } from '../../core/index.js';
import { FailoverCids } from './failover-cids.js';
import { FailoverCounters } from './failover-counters.js';

it('makes every 0b111 CID of 24 free bits once, and then refuses', { timeout: 300_000 }, () => {
  const counters = new FailoverCounters();
  const form = { cidLength: 8, zeroHostId: true };
  const seen = new Uint8Array(2 ** 24);
  let first: string | undefined;
  for (let made = 0; made < 2 ** 24; ) {
    const { cids, count } = counters.make(form, 65_535); // 256 of these are one too few.
    first ??= toHex(cids.subarray(0, 8));
    for (let at = 0; at < cids.length; at += 8) {
      const body = (cids[at + 5]! << 16) | (cids[at + 6]! << 8) | cids[at + 7]!;
      seen[body]! += 1;
    }
    made += count;
  }
  expect(seen.every((times) => times === 1)).toBe(true);
  const refused = expect.objectContaining({ code: 'NONCES_EXHAUSTED' });
  expect(() => counters.make(form, 1)).toThrow(refused);
  const made = new FailoverCids(8, true, counters);
  expect(() => made.take(1)).toThrow(refused);
  made.startOver();
  expect(toHex(made.take(1).cid)).toBe(first);
});

it('repeats none in another pool of the process, nor after a change of form and back', () => {
  const seen = new Set<string>();
  for (let round = 0; round < 10; round++) {
    const pools = [new FailoverCids(8, true), new FailoverCids(8, true), new FailoverCids(9, true)];
    for (const pool of pools) {
      for (let i = 0; i < 1000; i++) seen.add(toHex(pool.take(1).cid));
    }
  }
  expect(seen.size).toBe(30_000);
});

it('is of the length and form asked for, and begins elsewhere in each process', () => {
  const first = new FailoverCids(8, true, new FailoverCounters()).take(7);
  const second = new FailoverCids(12, false, new FailoverCounters()).take(7);
  expect(first).toMatchObject({ routable: false, generation: 7 });
  expect([...first.cid.subarray(0, 5)]).toEqual([0xe7, 0, 0, 0, 0]);
  expect(second.cid).toHaveLength(12);
  expect(second.cid[0]).toBe(0xeb);
  const starts = Array.from({ length: 10 }, () =>
    toHex(new FailoverCids(12, false, new FailoverCounters()).take(1).cid),
  );
  expect(new Set(starts).size).toBe(10);
});
