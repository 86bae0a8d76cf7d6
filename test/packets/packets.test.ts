// SPDX-License-Identifier: Apache-2.0
import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ethernet,
  filler,
  hex,
  icmp6,
  ip,
  ipText,
  ipv4,
  ipv6,
  ipv6Fragment,
  ipv6Options,
  quicLong,
  quicShort,
  tcp,
  udp,
  vlan,
} from './build.js';
import { describe } from './describe.js';

test('IPv4 and UDP come out as RFC 791 and RFC 768 lay them down', () => {
  const frame = ethernet(
    ipv4(
      { source: '192.0.2.1', destination: '198.51.100.10', id: 7 },
      udp({ source: 40000, destination: 443 }, hex('01 02 03')),
    ),
  );
  expect(Buffer.from(frame).toString('hex')).toBe(
    '020000000002020000000001' +
      '0800' +
      '4500001f000700004011' +
      checksumByHand('4500001f0007000040110000c0000201c633640a') +
      'c0000201c633640a' +
      '9c4001bb000b' +
      checksumByHand('c0000201c633640a0011000b9c4001bb000b0000010203') +
      '010203',
  );
});

/** RFC 1071 in its simplest form, with an end-around carry after every addition. */
function checksumByHand(digits: string): string {
  const padded = digits.length % 4 === 0 ? digits : `${digits}00`;
  let sum = 0;
  for (const word of padded.match(/.{4}/g) ?? []) {
    sum += Number.parseInt(word, 16);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return (0xffff - sum).toString(16).padStart(4, '0');
}

test('whatever is built is described without a bad length or checksum', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.boolean(),
      fc.constantFrom('udp', 'tcp'),
      fc.nat(255),
      (payload, six, kind, tos) => {
        const body = kind === 'udp' ? udp : tcp;
        const inner = body({ source: 1, destination: 2 }, payload);
        const text = describe(
          ethernet(
            vlan(
              { id: 5 },
              six
                ? ipv6(
                    {
                      source: '2001:db8::1',
                      destination: '2001:db8::2',
                      trafficClass: tos,
                      extensions: [ipv6Options(0), ipv6Fragment({ offset: 0, more: true })],
                    },
                    inner,
                  )
                : ipv4(
                    { source: '192.0.2.1', destination: '192.0.2.2', tos, options: filler(6) },
                    inner,
                  ),
            ),
          ),
        );
        expect(text).not.toMatch(/BAD|LENGTH/);
        expect(text).toContain(kind);
        expect(text).toContain(`0x${tos.toString(16)}`);
      },
    ),
  );
});

test('a lie is built as told, and seen', () => {
  const lie = ethernet(
    ipv4(
      { source: '192.0.2.1', destination: '192.0.2.2', checksum: 1, length: 1000 },
      udp({ source: 1, destination: 2, checksum: 2 }, filler(4)),
    ),
  );
  expect(describe(lie)).toMatch(/LENGTH 1000 OF 32 BAD CHECKSUM[\s\S]*BAD CHECKSUM/);
});

test('an ICMPv6 checksum covers the pseudo header', () => {
  const text = describe(
    ethernet(
      ipv6({ source: '2001:db8::1', destination: '2001:db8::2' }, icmp6({ type: 2 }, '6000')),
    ),
  );
  expect(text).toContain('icmp6 type 2');
  expect(text).not.toContain('BAD');
});

test('QUIC headers follow RFC 8999', () => {
  expect(quicLong({ dcid: '0102', scid: '03', version: 1 }, 'ff')).toEqual(
    hex('c3 00000001 02 0102 01 03 ff'),
  );
  expect(quicShort({ dcid: '0102' }, 'ff')).toEqual(hex('43 0102 ff'));
});

test('address text survives a round trip', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const octets = ip(text);
      expect(isIPv6(ipText(octets))).toBe(true);
      expect(ip(ipText(octets))).toEqual(octets);
    }),
  );
  expect(ipText(ip('2001:db8:0:0:1::1'))).toBe('2001:db8::1:0:0:1');
  expect(ipText(ip('::'))).toBe('::');
});
