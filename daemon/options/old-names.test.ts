// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { z } from 'zod';
import { acceptOldNames } from './old-names.js';
import { readOptions, requireLeader } from './read.js';
import { wholeNumber } from './values.js';

const RENAMED = [
  { old: 'quarantine', current: 'cooldown' },
  { old: 'restSeconds', current: 'cooldown', translate: (text: string) => `${text}0` },
];
const shape = z.object({ cooldown: wholeNumber(1, 100).optional() });

function read(raw: object) {
  const { flags, oldNames } = acceptOldNames(raw, RENAMED);
  return { options: readOptions(shape, flags, oldNames), oldNames };
}

it('takes what was given by an old name for the present one, and tells of it', () => {
  expect(read({ quarantine: '7' })).toEqual({
    options: { cooldown: 7 },
    oldNames: [{ name: 'cooldown', option: '--quarantine' }],
  });
  expect(read({ restSeconds: '7' })).toMatchObject({
    options: { cooldown: 70 },
    oldNames: [{ option: '--rest-seconds' }],
  });
  expect(read({ cooldown: '7' })).toEqual({ options: { cooldown: 7 }, oldNames: [] });
  expect(read({})).toEqual({ options: {}, oldNames: [] });
});

it('names the flag that was written where its value is bad', () => {
  expect(() => read({ quarantine: '0' })).toThrow(/^--quarantine: must be a whole number/);
  expect(() => read({ restSeconds: '99' })).toThrow(/^--rest-seconds: must be/);
  expect(() => read({ cooldown: '0' })).toThrow(/^--cooldown: must be a whole number/);
});

it('refuses one thing given by two names', () => {
  expect(() => read({ quarantine: '7', cooldown: '7' })).toThrow(
    '--quarantine and --cooldown are the same; give one',
  );
  expect(() => read({ quarantine: '7', restSeconds: '7' })).toThrow(
    '--rest-seconds and --quarantine are the same; give one',
  );
});

it('refuses a flag without the one that it belongs to', () => {
  const check = (flags: object) => requireLeader(flags, 'listen', ['tlsKey', 'tlsClientCa']);
  expect(() => check({ tlsClientCa: 'ca.pem' })).toThrow(/^--tls-client-ca needs --listen$/);
  check({ tlsClientCa: 'ca.pem', listen: '[::]:443' });
  check({});
});
