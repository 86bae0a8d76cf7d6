// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, test } from 'vitest';
import { FollowedPrefix } from './followed-prefix.js';
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
  let prefix: FollowedPrefix;
  beforeEach(() => {
    prefix = new FollowedPrefix('/p/');
    prefix.count = 2;
    prefix.receive([{ revision: 10, changes: [put('/p/a', 10), put('/p/b', 10, 7)] }]);
    prefix.take(10);
  });

  test('has come to where etcd is, if that has no later change and as many keys', async () => {
    expect(prefix.count).toBe(3);
    expect(await prefix.confirm(answering(true, 20, 3))).toBe(20);
    expect(prefix.passed).toBe(20);
  });

  test.each([
    ['a later change', false, 3],
    ['fewer keys', true, 2],
  ])('has not, if there are %s', async (_, held, count) => {
    expect(await prefix.confirm(answering(held, 20, count))).toBe(20);
    expect(prefix.passed).toBe(10);
  });

  test('has not, if a change came while etcd was asked', async () => {
    const asked = prefix.confirm(answering(true, 20, 3));
    prefix.receive([{ revision: 15, changes: [{ kind: 'removed', key: '/p/a' }] }]);
    await asked;
    expect(prefix.passed).toBe(15);
    expect(prefix.count).toBe(2);
  });

  test('leaves out what was made and removed before that, when it comes late', async () => {
    await prefix.confirm(answering(true, 20, 3));
    prefix.receive([
      { revision: 14, changes: [put('/p/brief', 14)] },
      { revision: 16, changes: [{ kind: 'removed', key: '/p/brief' }] },
      { revision: 21, changes: [put('/p/c', 21)] },
    ]);
    expect(prefix.firstWaiting).toBe(21);
    expect(prefix.count).toBe(4);
  });
});
