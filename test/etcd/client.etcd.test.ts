// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  absent,
  get,
  put,
  type Snapshot,
  valueOver,
  withPrefix,
} from '../../registry/etcd/client/index.js';
import { Members } from './members.js';
import { until } from './until.js';

let members: Members;
beforeAll(async () => {
  members = await Members.start();
});
afterAll(() => members?.dispose());

test('reads and writes', async () => {
  const client = members.client();
  await client.kv.put('/kv/a', 'one');
  await client.kv.put('/kv/b', Buffer.from([0, 255]));
  expect((await client.kv.get('/kv/a'))?.value.toString()).toBe('one');
  expect(await client.kv.get('/kv/none')).toBeUndefined();
  const { entries } = await client.kv.list('/kv/', { pageKeys: 1 });
  expect(entries.map(({ key }) => key)).toEqual(['/kv/a', '/kv/b']);
  expect(entries[1]?.value).toEqual(Buffer.from([0, 255]));
  const result = await client.kv.txn({
    when: [absent('/kv/c'), valueOver('/kv/a', 'onc')],
    success: [put('/kv/c', 'x'), get(withPrefix('/kv/'), { countOnly: true })],
  });
  expect(result).toMatchObject({ held: true, results: [{ kind: 'put' }, { count: 3 }] });
  expect((await client.kv.remove(withPrefix('/kv/'))).removed).toBe(3);
});

test('what was closed is kept no more', async () => {
  const client = members.client();
  const events: string[] = [];
  const see = (event: string) => {
    events.push(event);
  };
  const trouble = { onTrouble: () => {}, onLost: () => {} };
  const lease = client.lease({ ttl: 5 }, { ...trouble, onGranted: () => see('granted') });
  const other = client.lease({ ttl: 5 }, { ...trouble, onGranted: () => {} });
  const follow = client.follow(['/kept/'], {
    onSnapshot: () => see('snapshot'),
    onChanges: () => {},
  });
  await until('both are there', () => events.length === 2);
  expect(client.opened).toBe(3);
  follow.close();
  await lease.revoke();
  expect(client.opened).toBe(1);
  other.close();
  expect(client.opened).toBe(0);
});

test('a marked transaction is done once', async () => {
  const client = members.client();
  const once = () =>
    client.transact({
      what: 'allocation',
      mark: { key: '/own/a', value: '1' },
      when: [absent('/id/1')],
      success: [put('/id/1', 'a')],
    });
  const first = await once();
  const second = await once();
  expect(first.done && second.done && first.revision === second.revision).toBe(true);
});

test('a lease is granted, kept and revoked with its keys', async () => {
  const client = members.client();
  const granted: string[] = [];
  let kept = 0;
  const lease = client.lease(
    { ttl: 2 },
    {
      onGranted: async (id) => {
        granted.push(id);
        await client.kv.put('/alive', 'yes', id);
      },
      onKept: () => {
        kept += 1;
      },
    },
  );
  await until('it is kept', () => kept >= 5);
  expect((await client.kv.get('/alive'))?.lease).toBe(granted[0]);
  expect(granted).toHaveLength(1);
  await lease.revoke();
  expect(await client.kv.get('/alive')).toBeUndefined();
});

test('follows a prefix from a snapshot on', async () => {
  const client = members.client();
  await client.kv.put('/f/a', '1');
  const snapshots: Snapshot[] = [];
  const changes: string[] = [];
  let connected = 0;
  const follow = client.follow(['/f/'], {
    onSnapshot: (snapshot) => {
      snapshots.push(snapshot);
    },
    onChanges: (set) => {
      changes.push(
        set.changes.map((c) => (c.kind === 'put' ? `+${c.entry.key}` : `-${c.key}`)).join(' '),
      );
    },
    onConnected: () => {
      connected += 1;
    },
  });
  await until('it is connected', () => follow.connected);
  await client.kv.txn({ when: [], success: [put('/f/b', '2'), put('/f/c', '3')] });
  await client.kv.remove('/f/a');
  await until('two changes came', () => changes.length === 2);
  expect(snapshots.map(({ entries }) => entries.map(({ key }) => key))).toEqual([['/f/a']]);
  expect(changes).toEqual(['+/f/b +/f/c', '-/f/a']);
  expect(connected).toBe(1);
});
