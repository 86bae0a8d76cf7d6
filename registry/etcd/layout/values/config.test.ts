// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { DocumentError } from '../../../document/document-error.js';
import { configValueReader, configValueText } from './config.js';

const read = configValueReader();
const place = { pool: 'web', config: 1, key: '/cidecar/v1/desired/pools/web/configs/1' };
const sealed = { secret: 'a', nonce: '00'.repeat(12), sealed: '11'.repeat(32) };
const fields = { id: 1, scheme: 'quic-lb', serverIdLength: 3, nonceLength: 8, state: 'staged' };

function errorsOf(value: unknown): string[] {
  try {
    read(typeof value === 'string' ? value : JSON.stringify(value), place);
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    return error.errors.map(({ place: { file, field }, message }) => {
      expect(file).toBe(place.key);
      return `${field ?? ''}: ${message}`;
    });
  }
  return [];
}

it('reads what it writes', () => {
  const value = {
    ...fields,
    serverUseLength: 0,
    lengthSelfEncoded: true,
    keyFile: 'a.key',
    resetKeyFile: 'a.reset',
    key: sealed,
    resetKey: sealed,
  };
  const text = configValueText(read(JSON.stringify(value), place));
  expect(JSON.parse(text)).toEqual(value);
  expect(configValueText(read(text, place))).toBe(text);
});

it('names the file of a key that came without one', () => {
  const { shape } = read(JSON.stringify({ ...fields, key: sealed, resetKey: sealed }), place);
  expect(shape.values.keyFile).toBe('web-1.key');
  expect(shape.resetKeyFile).toBe('web-1.reset');
});

it('says what is wrong in the words of a document', () => {
  expect(errorsOf('{')).toEqual([': is no JSON']);
  expect(errorsOf([])).toEqual([': must be a mapping with the fields of a config, not a list']);
  expect(errorsOf({ ...fields, nonceLength: 3 })).toEqual([
    'nonceLength: must be a whole number from 4 to 18, not 3',
  ]);
  expect(errorsOf({ ...fields, colour: 1 })).toEqual(['colour: is no field that is known here']);
  expect(errorsOf({ ...fields, keyFile: 'a.key' })).toEqual([
    'key: is missing; keyFile names a key, which stands here sealed',
  ]);
});

it('does not show what stands in the place of a sealed key', () => {
  const bare = 'ab'.repeat(16);
  for (const key of [bare, { ...sealed, sealed: bare }, null]) {
    const errors = errorsOf({ ...fields, key });
    expect(errors).toHaveLength(1);
    expect(errors.join()).not.toContain(bare);
  }
});
