// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { ArrayView } from './array-view.js';
import { GRACE_MS } from './grace-period.js';
import { RingTable } from './ring-table.js';
import { ManualClock } from './testing/manual-clock.js';

it('a ring that is freed makes room for another, after the grace period', () => {
  const clock = new ManualClock();
  // Entry 0 means none; a ring takes one more entry than it has reals.
  const rings = new RingTable(ArrayView.inMemory(1 + 2 * 8, 4), [], clock);
  let last = rings.allocate(7);
  for (let round = 0; round < 10; round++) {
    const next = rings.allocate(7);
    expect(rings.available).toBe(0);
    rings.free(last);
    expect(rings.available).toBe(8);
    clock.pass(GRACE_MS);
    last = next;
  }
  expect(clock.waited).toBe(0);
});
