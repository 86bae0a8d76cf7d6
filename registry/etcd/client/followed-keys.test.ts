// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, test } from 'vitest';
import { FollowedKeys } from './followed-keys.js';
import type { TransactionResult } from './kv.js';
import type { Change } from './watch.js';

/** An etcd that says what it was told to say. */
function answering(held: boolean, revision: number, count: number) {
  const result: TransactionResult = {
    held,
    revision,
    results: [{ kind: 'get', entries: [], count }],
  };
  return { txn: async () => result };
}

function put(key: string, modRevision: number, version = 1): Change {
  const entry = {
    key,
    value: Buffer.alloc(0),
    createRevision: 1,
    modRevision,
    version,
    lease: '0',
  };
  return { kind: 'put', entry };
}

describe('a followed prefix with three keys at its last change', () => {
  let keys: FollowedKeys;
  beforeEach(() => {
    keys = new FollowedKeys(['/p/']);
    keys.count = 2;
    keys.receive([{ revision: 10, changes: [put('/p/a', 10), put('/p/b', 10, 7)] }]);
    keys.take();
  });

  test('has come to where etcd is, if that has no later change and as many keys', async () => {
    expect(keys.count).toBe(3);
    expect(await keys.confirm(answering(true, 20, 3))).toBe(20);
    expect(keys.passed).toBe(20);
  });

  test.each([
    ['a later change', false, 3],
    ['fewer keys', true, 2],
  ])('has not, if there are %s', async (_, held, count) => {
    expect(await keys.confirm(answering(held, 20, count))).toBe(20);
    expect(keys.passed).toBe(10);
  });

  test('has not, if a change came while etcd was asked', async () => {
    const asked = keys.confirm(answering(true, 20, 3));
    keys.receive([{ revision: 15, changes: [{ kind: 'removed', key: '/p/a' }] }]);
    await asked;
    expect(keys.passed).toBe(15);
    expect(keys.count).toBe(2);
  });

  test('leaves out what was made and removed before that, when it comes late', async () => {
    await keys.confirm(answering(true, 20, 3));
    keys.receive([
      { revision: 14, changes: [put('/p/brief', 14)] },
      { revision: 16, changes: [{ kind: 'removed', key: '/p/brief' }] },
      { revision: 21, changes: [put('/p/c', 21)] },
    ]);
    expect(keys.take()?.revision).toBe(21);
    expect(keys.count).toBe(4);
  });
});

describe('keys that are followed', () => {
  test.each([[['/a/', '/a/b/']], [['/a/', { key: '/a/b' }]], [['/a/', '/a/']]])(
    'do not lie within one another: %j',
    (followed) => {
      expect(() => new FollowedKeys(followed)).toThrow(RangeError);
    },
  );

  test('pass what lies between without handing it over', async () => {
    const keys = new FollowedKeys(['/a/', { key: '/c' }]);
    keys.count = 1;
    keys.receive([
      { revision: 10, changes: [put('/a/1', 10), put('/b/1', 10)] },
      { revision: 11, changes: [put('/b/2', 11), put('/c1', 11)] },
    ]);
    expect(keys.count).toBe(2);
    expect(keys.passed).toBe(11);
    expect(keys.take()).toEqual({ revision: 10, changes: [put('/a/1', 10)] });
    expect(keys.take()).toBeUndefined();
  });
});
