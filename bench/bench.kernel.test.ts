// SPDX-License-Identifier: Apache-2.0
/** Runs the bench on few packets. The figures mean nothing here, but every check is made. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describe } from '../test/packets/describe.js';
import { buildCases } from './cases.js';
import { benchFlood, FLOODS, floodWorld, measureFlood } from './flood.js';
import { measure, type PacketCase } from './measure.js';
import { Prelude } from './prelude.js';
import { median, quantile, spread } from './statistics.js';
import type { World } from './world.js';

let world: World;
let cases: readonly PacketCase[];
let prelude: Prelude;

beforeAll(async () => {
  ({ world, cases } = await buildCases(1024));
  prelude = await Prelude.load();
  prelude.aim(world.balancer.program);
});
afterAll(() => world.balancer.close());

const few = { rounds: 2, packets: 2000, cpu: 0 };

test('every packet of every row takes the way that the row is about', () => {
  const results = measure(prelude, cases, few);
  expect(results.map((result) => result.case)).toContain('four-pass encrypted CID of 20 octets');
  expect(new Set(results.map((result) => result.case)).size).toBe(cases.length);
  for (const { totalNs, floorNs } of results) {
    expect(totalNs).toBeGreaterThan(0);
    expect(floorNs).toBeGreaterThan(0);
  }
});

test('a row whose packets go another way is an error', () => {
  const astray = cases.slice(0, 1).map((row) => ({ ...row, taken: () => 0 }));
  expect(() => measure(prelude, astray, few)).toThrow(/0 of 2000 packets took the way/);
});

test("a row whose packet comes out longer than its floor's is an error", () => {
  const odd = cases
    .slice(0, 1)
    .map((row) => ({ ...row, traffic: { ...row.traffic, growth: row.traffic.growth + 8 } }));
  expect(() => measure(prelude, odd, few)).toThrow(/grew by 20/);
});

test('the prelude hands on a sound packet, however often it was wrapped before', () => {
  for (const { traffic, name } of cases) {
    prelude.prepare(traffic);
    const { data } = prelude.run(traffic, 100, 'target', 0);
    // The checksums of UDP are wrong: no balancer reads them, and ports and CIDs change.
    const text = describe(data).replace(/(udp .*) BAD CHECKSUM/g, '$1');
    expect(text, name).not.toMatch(/BAD CHECKSUM|LENGTH/);
  }
});

test('no flood costs an established flow or a routable CID a packet', async () => {
  const rows = await benchFlood({ rounds: 2, packets: 5000, legitimate: 50, cpu: 0 });
  expect(rows).toHaveLength(FLOODS.length);
  for (const { case: name, lost, legitimate } of rows) {
    expect([lost, legitimate], name).toEqual([0, 2 * 2 * 50]);
  }
});

test('a flow that is forgotten counts as lost', async () => {
  const small = await floodWorld();
  try {
    const [flood] = FLOODS;
    if (flood === undefined) throw new Error('there is no flood');
    prelude.aim(small.balancer.program);
    // In place of a flood: its first packet finds a table that somebody has emptied.
    const run: typeof prelude.run = (traffic, packets, what, cpu) => {
      if (what === 'target') small.balancer.map('flows').mmap().fill(0);
      return prelude.run(traffic, packets, what, cpu);
    };
    const emptying = { prepare: prelude.prepare.bind(prelude), run };
    const options = { rounds: 1, packets: 10, legitimate: 50, cpu: 0 };
    expect(measureFlood(small, emptying, flood, options).lost).toBeGreaterThan(40);
  } finally {
    prelude.aim(world.balancer.program);
    small.balancer.close();
  }
});

test('medians, quartiles and their distance', () => {
  expect(median([5, 1, 9])).toBe(5);
  expect(quantile([4, 3, 2, 1], 0)).toBe(1);
  expect(spread([1, 2, 3, 4, 5])).toBe(2);
});
