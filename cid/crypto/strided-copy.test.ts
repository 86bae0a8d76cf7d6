// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { copyStrings } from './strided-copy.js';

it('copies exactly the strings, whatever their length, strides and neighbours', () => {
  const sample = fc.record({
    length: fc.integer({ min: 0, max: 20 }),
    count: fc.integer({ min: 0, max: 6 }),
    gapFrom: fc.integer({ min: 0, max: 5 }),
    gapTo: fc.integer({ min: 0, max: 5 }),
    offsetFrom: fc.integer({ min: 0, max: 9 }),
    offsetTo: fc.integer({ min: 0, max: 9 }),
    repeat: fc.boolean(),
  });
  fc.assert(
    fc.property(sample, ({ length, count, gapFrom, gapTo, offsetFrom, offsetTo, repeat }) => {
      const stride = repeat ? 0 : length + gapFrom;
      const from = { octets: new Uint8Array(200).map((_, i) => i + 1), offset: offsetFrom, stride };
      // A view into a larger buffer, no larger than needed: a word too many would throw.
      const size = offsetTo + count * (length + gapTo);
      const octets = new Uint8Array(size + 16).fill(0xee).subarray(7, 7 + size);
      const expected = octets.slice();
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < length; j++) {
          expected[offsetTo + i * (length + gapTo) + j] = from.octets[offsetFrom + i * stride + j]!;
        }
      }
      copyStrings(from, { octets, offset: offsetTo, stride: length + gapTo }, length, count);
      expect(octets).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});
