// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { readOption } from './read.js';
import {
  address,
  choice,
  hexNumber,
  hostPort,
  hostPrefix4,
  metricsAddress,
  prefixes,
  wholeNumber,
} from './values.js';

interface Case {
  readonly shape: z.ZodType;
  readonly good: readonly (readonly [text: string, value: unknown])[];
  readonly bad: readonly string[];
  readonly message: string;
}

const CASES: Readonly<Record<string, Case>> = {
  'a whole number': {
    shape: wholeNumber(1, 65_535),
    good: [
      ['1', 1],
      ['65535', 65_535],
      ['007', 7],
    ],
    bad: ['0', '65536', '1.5', '1e3', '0x10', '-1', ' 1', '', '9'.repeat(400)],
    message: 'must be a whole number from 1 to 65535',
  },
  'a choice': {
    shape: choice(['native', 'generic']),
    good: [['native', 'native']],
    bad: ['Native', '', 'toString'],
    message: 'must be one of native, generic',
  },
  'a number in hex': {
    shape: hexNumber(4),
    good: [
      ['c0fE', 0xc0fen],
      ['0', 0n],
    ],
    bad: ['', 'c0ffe', '0xc0', 'xyz', '-1'],
    message: 'must be 1 to 4 hex digits',
  },
  'an IPv6 address': {
    shape: address(6),
    good: [['2001:DB8:0::1', '2001:db8::1']],
    bad: ['10.0.0.1', '::1', 'fe80::1', '2001:db8::1/64', 'web-1', ''],
    message: 'must be an IPv6 address',
  },
  'an IPv4 address with the length of a prefix': {
    shape: hostPrefix4(8),
    good: [
      ['192.0.2.16/28', { address: '192.0.2.16', prefixLength: 28 }],
      ['192.0.2.1', { address: '192.0.2.1', prefixLength: 32 }],
    ],
    bad: ['192.0.2.1/7', '192.0.2.1/33', '192.0.2.1/', '192.0.2.1/8/8', '2001:db8::1', '127.0.0.1'],
    message: 'must be an IPv4 address, or one with /8 to /32',
  },
  'host and port': {
    shape: hostPort,
    good: [
      ['localhost:0', { host: 'localhost', port: 0 }],
      ['0.0.0.0:8443', { host: '0.0.0.0', port: 8443 }],
      ['[2001:db8::1]:65535', { host: '2001:db8::1', port: 65_535 }],
    ],
    bad: ['8443', 'localhost', 'localhost:', ':8443', '::1:8443', 'localhost:65536', ''],
    message: 'must be host:port',
  },
  'where metrics are served': {
    shape: metricsAddress,
    good: [
      ['/run/cidecar/metrics.sock', { socket: '/run/cidecar/metrics.sock' }],
      ['./m', { socket: './m' }],
      ['9100', { host: '127.0.0.1', port: 9100 }],
      ['localhost:9100', { host: 'localhost', port: 9100 }],
      ['[::1]:9100', { host: '::1', port: 9100 }],
    ],
    bad: ['here', '0', '127.0.0.1:', '127.0.0.1:70000', '::1:9100', ''],
    message: 'must be host:port, with a port from 1 to 65535, or the path of a socket',
  },
};

describe.each(Object.entries(CASES))('%s', (_, { shape, good, bad, message }) => {
  it.each(good)('is read from %j', (text, value) => {
    expect(readOption('--flag', shape, text)).toEqual(value);
  });

  it.each(bad)('is not %j, and the answer says what is allowed', (text) => {
    expect(() => readOption('--flag', shape, text)).toThrow(
      expect.objectContaining({ code: 'ARGUMENT_INVALID', message: `--flag: ${message}` }),
    );
  });
});

describe('prefixes', () => {
  it('are addresses and prefixes of both families, as they were written', () => {
    const text = '10.2.0.0/16,2001:db8::/48,10.0.0.1,::1,0.0.0.0/0,2001:db8::1/128';
    expect(readOption('--flag', prefixes, text)).toEqual(text.split(','));
  });

  it.each(['here', '10.0.0.0/33', '2001:db8::/129', '10.0.0.0/8/8', '10.0.0.0/', ''])(
    'are refused with %j among them, which the answer names',
    (bad) => {
      expect(() => readOption('--flag', prefixes, `10.0.0.1,${bad}`)).toThrow(
        `--flag: "${bad}" must be an address or a prefix`,
      );
    },
  );
});
