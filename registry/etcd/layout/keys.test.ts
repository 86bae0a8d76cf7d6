// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { Keys, padded } from './keys.js';
import { acknowledgement, revisionNumber, revisionText } from './revision.js';

const keys = new Keys('/cidecar/');

it('reads every key of the desired state that it writes', () => {
  expect(keys.parse(keys.revision)).toEqual({ kind: 'revision' });
  expect(keys.parse(keys.pool('web'))).toEqual({ kind: 'pool', pool: 'web' });
  expect(keys.parse(keys.config('web', 3))).toEqual({ kind: 'config', pool: 'web', config: 3 });
  expect(keys.parse(keys.server('web', 'web-1'))).toEqual({
    kind: 'server',
    pool: 'web',
    server: 'web-1',
  });
  const id = { kind: 'id', pool: 'web', config: 3, hex: '00ff' };
  expect(keys.parse(keys.id('web', 3, '00ff'))).toEqual(id);
  expect(keys.parseIdAway(keys.restId('web', 3, '00ff'))).toEqual(id);
  expect(keys.parseIdAway(keys.pinnedId('web', 3, '00ff'))).toEqual(id);
});

it('has all that makes the desired state below one prefix, and the rest elsewhere', () => {
  for (const key of [keys.revision, keys.pool('a'), keys.config('a', 0), keys.id('a', 0, '00')]) {
    expect(key.startsWith(keys.desired)).toBe(true);
  }
  for (const key of [keys.meta, keys.acks, keys.restId('a', 0, '00'), keys.event(1), keys.live]) {
    expect(key.startsWith(keys.desired)).toBe(false);
  }
});

it.each([
  'pools/web',
  'pools/web/',
  'pools/web/pool/x',
  'pools//pool',
  'pools/web/configs/7',
  'pools/web/configs/01',
  'pools/web/servers/',
  'pools/web/servers/a/b',
  'pools/web/servers/-a',
  'pools/web/ids/0',
  'pools/web/ids/0/',
  'pools/web/ids/0/0',
  'pools/web/ids/0/0A',
  'pools/web/ids/0/00112233445566778899aabbccddeeff',
  'pools/web/else/0',
  'revision/1',
])('knows no key desired/%s', (rest) => {
  expect(keys.parse(keys.desired + rest)).toBeUndefined();
});

it('does not take the keys of another prefix for its own', () => {
  expect(keys.parse(new Keys('/other').pool('web'))).toBeUndefined();
  expect(new Keys().root).toBe('/cidecar/v1/');
});

it('writes numbers so that they sort as numbers', () => {
  expect(padded(9) < padded(10)).toBe(true);
  expect(acknowledgement(2 ** 53 - 1)).toHaveLength(20);
  expect(keys.event(12)).toBe('/cidecar/v1/events/00000000000000000012');
});

it('names revisions by the number of etcd', () => {
  expect(revisionNumber(revisionText(42))).toBe(42);
  expect(revisionNumber('0123456789abcdef')).toBeUndefined();
  expect(revisionNumber('etcd-1x')).toBeUndefined();
});
