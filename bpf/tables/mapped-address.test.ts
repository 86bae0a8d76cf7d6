// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addressOctets, addressText } from './mapped-address.js';

it('an address has 16 octets, IPv4 as a mapped one', () => {
  expect([...addressOctets('10.1.2.3')].slice(8)).toEqual([0, 0, 255, 255, 10, 1, 2, 3]);
  expect(addressOctets('::ffff:10.1.2.3')).toEqual(addressOctets('10.1.2.3'));
  expect([...addressOctets('2001:db8::1')]).toEqual([
    0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
  ]);
  expect([...addressOctets('::')]).toEqual(new Array(16).fill(0));
  expect([...addressOctets('fe80::')].slice(0, 3)).toEqual([0xfe, 0x80, 0]);
});

it('text and octets are each other’s inverse', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (octets) => {
      expect(addressOctets(addressText(octets))).toEqual(octets);
    }),
  );
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      expect(addressText(addressOctets(text))).toBe(text);
    }),
  );
});

it('what is no address is refused', () => {
  for (const text of ['', 'web-1', '10.0.0', 'fe80::1%eth0', '1::2::3']) {
    expect(() => addressOctets(text)).toThrow(/no IP address/);
  }
});
