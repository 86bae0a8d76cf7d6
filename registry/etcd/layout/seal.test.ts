// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { Secret } from '../../../core/index.js';
import { type ClusterSecrets, newClusterSecret, parseClusterSecrets } from './cluster-secret.js';
import { openKey, type SealedKey, sealKey } from './seal.js';

const key = new Secret(Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'));
const purpose = { pool: 'web', config: 1, kind: 'key' };
const one = parseClusterSecrets(newClusterSecret('2026'), 'secret');
const other = parseClusterSecrets(newClusterSecret('2027'), 'secret');

it('opens what it sealed, under any of its secrets', () => {
  const sealed = sealKey(key, purpose, one);
  expect(sealed.secret).toBe('2026');
  expect(openKey(sealed, purpose, one).equals(key)).toBe(true);
  expect(openKey(sealed, purpose, [...other, ...one]).equals(key)).toBe(true);
});

it('seals a key differently each time', () => {
  expect(sealKey(key, purpose, one).sealed).not.toBe(sealKey(key, purpose, one).sealed);
});

it.each([
  { ...purpose, pool: 'dns' },
  { ...purpose, config: 2 },
  { ...purpose, kind: 'resetKey' },
])('does not open a key that was sealed for another place', (elsewhere) => {
  expect(() => openKey(sealKey(key, purpose, one), elsewhere, one)).toThrow(
    /cannot be opened by the cluster secret 2026/,
  );
});

it('does not open a key that was changed', () => {
  const sealed = sealKey(key, purpose, one);
  const flipped = (sealed.sealed[0] === '0' ? '1' : '0') + sealed.sealed.slice(1);
  const changed: SealedKey = { ...sealed, sealed: flipped };
  expect(() => openKey(changed, purpose, one)).toThrow(/cannot be opened/);
});

it('says which secret is missing', () => {
  const sealed = sealKey(key, purpose, one);
  expect(() => openKey(sealed, purpose, other)).toThrow(
    'is sealed under the cluster secret 2026, which this host does not have (it has 2027)',
  );
  expect(() => openKey(sealed, purpose, [])).toThrow(/it has none/);
});

const hex = 'ab'.repeat(32);

it('reads a file of secrets', () => {
  const secrets: ClusterSecrets = parseClusterSecrets(`# new\n b ${hex} \r\n\na ${hex}\n`, 'f');
  expect(secrets.map(({ id }) => id)).toEqual(['b', 'a']);
  expect(secrets[0].secret.length).toBe(32);
});

it.each([
  ['', 'holds no secret'],
  ['a', 'the secret a must have 64 hex digits'],
  [`a ${hex.slice(1)}`, 'the secret a must have 64 hex digits'],
  [`a ${hex}00`, 'the secret a must have 64 hex digits'],
  [`a ${hex} x`, 'must be the ID of a secret, white space, and 64 hex digits'],
  [hex, 'must be the ID of a secret, white space, and 64 hex digits'],
  [`a ${hex}\na ${hex}`, 'the ID a is there twice'],
])('refuses a bad file of secrets, and does not show it', (text, message) => {
  expect(() => parseClusterSecrets(text, 'f')).toThrow(message);
  try {
    parseClusterSecrets(text, 'f');
  } catch (error) {
    expect(String(error)).not.toContain(hex.slice(1));
  }
});
