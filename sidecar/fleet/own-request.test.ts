// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { type FollowHandlers, put } from '../../registry/etcd/client/index.js';
import { OwnRequest } from './own-request.js';

const KEY = '/cidecar/v1/requests/web/web-1';

function opened() {
  const handlers: FollowHandlers[] = [];
  const told: string[] = [];
  const follow = (_: unknown, of: FollowHandlers) => {
    handlers.push(of);
    return { close: () => undefined };
  };
  const request = new OwnRequest({ follow } as never, KEY, {
    look: () => void told.push('look'),
    onNews: () => void told.push('news'),
  });
  const [follower] = handlers;
  if (follower === undefined) throw new Error('nothing is followed');
  const changed = (value: string) => {
    const of = { key: KEY, createRevision: 1, modRevision: 2, version: 2, lease: '0' };
    const entry = { ...of, value: Buffer.from(value) };
    return follower.onChanges({
      revision: 2,
      resync: false,
      changes: [{ kind: 'put', entry }],
    });
  };
  return { request, follower, told, changed };
}

test('a sidecar does not look at what it wrote itself, whenever that comes', () => {
  const { request, told, changed } = opened();
  request.writes({ when: [], success: [put('/elsewhere', 'other'), put(KEY, 'mine')] });
  changed('mine');
  expect(told).toEqual([]);
  changed('granted');
  expect(told).toEqual(['news', 'look']);
});

test('a sidecar looks at what others wrote, and at a removal', () => {
  const { request, follower, told, changed } = opened();
  changed('of another');
  expect(told).toEqual(['news', 'look']);
  request.writes({ when: [], success: [put(KEY, 'mine')] });
  follower.onChanges({ revision: 3, resync: false, changes: [{ kind: 'removed', key: KEY }] });
  expect(told).toEqual(['news', 'look', 'news', 'look']);
});

test('a sidecar looks again when etcd is back, and not because it is there', () => {
  const { follower, told } = opened();
  follower.onSnapshot({ revision: 1, entries: [] });
  follower.onConnected?.(1);
  expect(told).toEqual(['look']);
  follower.onDisconnected?.(new Error('away') as never);
  follower.onConnected?.(2);
  expect(told).toEqual(['look', 'look']);
});
