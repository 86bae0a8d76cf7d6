// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { idAfter, lastOfRun, runsOf, writeRun } from './id-run.js';

const run = fc
  .record({
    length: fc.integer({ min: 1, max: 15 }),
    value: fc.bigInt({ min: 0n, max: 2n ** 120n - 1n }),
    count: fc.integer({ min: 1, max: 600 }),
    nearEnd: fc.boolean(),
  })
  .map(({ length, value, count, nearEnd }) => {
    const limit = 1n << BigInt(8 * length);
    const first = nearEnd ? limit - 1n - (value % 300n) : value;
    return { length, limit, first: (first + limit * 2n) % limit, count };
  });

const hexOf = (value: bigint, length: number) => value.toString(16).padStart(2 * length, '0');

it('counts on from an ID of any length', () => {
  fc.assert(
    fc.property(run, ({ length, limit, first, count }) => {
      const sum = first + BigInt(count);
      const expected = sum < limit ? hexOf(sum, length) : undefined;
      expect(idAfter(hexOf(first, length), count)).toBe(expected);
    }),
  );
});

it('writes the IDs of a run, and finds the run again', () => {
  fc.assert(
    fc.property(run, ({ length, first, count }) => {
      const hex = hexOf(first, length);
      fc.pre(lastOfRun(hex, count) !== undefined);
      const octets = new Uint8Array(3 + count * length).fill(7);
      writeRun(hex, count, octets, 3);
      const ids = octets.subarray(3);
      for (let index = 0; index < count; index += 1) {
        const id = Buffer.from(ids.subarray(index * length, (index + 1) * length)).toString('hex');
        expect(id).toBe(hexOf(first + BigInt(index), length));
      }
      expect([...octets.subarray(0, 3)]).toEqual([7, 7, 7]);
      expect([...runsOf(ids, length)]).toEqual([{ hex, count }]);
    }),
  );
});

it('parts IDs that do not follow each other', () => {
  const ids = Buffer.from('00000001000300ff010001020200', 'hex');
  expect([...runsOf(ids, 2)]).toEqual([
    { hex: '0000', count: 2 },
    { hex: '0003', count: 1 },
    { hex: '00ff', count: 2 },
    { hex: '0102', count: 1 },
    { hex: '0200', count: 1 },
  ]);
  expect([...runsOf(Buffer.from('ff00', 'hex'), 1)]).toHaveLength(2);
  expect([...runsOf(new Uint8Array(), 1)]).toEqual([]);
});
