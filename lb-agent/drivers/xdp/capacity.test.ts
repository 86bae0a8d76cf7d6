// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { buildRing } from '../../../bpf/tables/index.js';
import type { Pool, Server } from '../../../registry/index.js';
import { needFor } from '../../reconcile/capacity.js';
import { NO_TABLES } from '../../reconcile/tables.js';
import { capacityFor, poolRingSize } from './capacity.js';

const servers = (count: number) => Array.from({ length: count }, (_, i) => ({ name: `s${i}` }));
const sizeFor = (count: number) => poolRingSize({ servers: servers(count) as Server[] });

function ringOf(count: number): Uint32Array {
  const claims = servers(count).map(({ name }, i) => ({ key: name, real: i + 1, weight: 100 }));
  return buildRing(claims, sizeFor(count));
}

describe('the size of a ring', () => {
  it('changes in steps of four, and has a hundred entries a server at the end of each', () => {
    for (const step of [32, 128, 512, 2048, 8192, 32_768]) {
      expect(sizeFor(step)).toBe(sizeFor(step / 4 + 1));
      expect(sizeFor(step)).not.toBe(sizeFor(step + 1));
      expect(sizeFor(step)).toBeGreaterThanOrEqual(100 * step);
    }
    expect(sizeFor(0)).toBe(sizeFor(32));
    expect(sizeFor(65_535)).toBeLessThan(7e6);
  });

  it.each([1, 4, 31, 33, 64, 127, 129, 511])(
    'stays within a step, where one server more than %i takes little but its share',
    (count) => {
      const [before, after] = [ringOf(count), ringOf(count + 1)];
      const share = 1 / (count + 1);
      const moved = before.filter((real, i) => after[i] !== real).length / before.length;
      const taken = after.filter((real) => real === count + 1).length / after.length;
      expect(taken).toBeCloseTo(share, 2);
      // Besides the newcomer's entries, Maglev moves about one in a hundred between the others.
      expect(moved).toBeLessThan(2 * share + 0.01);
    },
  );

  it('grows to its second step without larger tables', () => {
    const pool = (count: number) => ({ vips: [{}], configs: [], servers: servers(count) });
    const capacity = (count: number) =>
      capacityFor(
        needFor({ revision: '', pools: [pool(count) as unknown as Pool] }, NO_TABLES, []),
        4,
      );
    const { ringEntries, reals } = capacity(1);
    expect(ringEntries).toBeGreaterThanOrEqual(sizeFor(32) + 1 + sizeFor(128) + 1);
    expect(reals).toBeGreaterThanOrEqual(128);
    expect(capacity(10_000).ringEntries).toBeGreaterThanOrEqual(2 * sizeFor(10_000));
  });
});
