// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fromHex, toHex } from './hex.js';

it('goes both ways, in either case', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (octets) => {
      expect(fromHex(toHex(octets), 'it')).toEqual(octets);
      expect(fromHex(toHex(octets).toUpperCase(), 'it')).toEqual(octets);
    }),
  );
});

it('names what was wrong, and does not repeat the text, which may be a key', () => {
  expect(() => fromHex('ab0', 'the nonce')).toThrow('the nonce: 3 hex digits');
  expect(() => fromHex('abcdefgh', 'the key')).toThrow('the key: character 7 is no hex digit');
  expect(() => fromHex(' ab', 'the key')).toThrow('character 1');
});
