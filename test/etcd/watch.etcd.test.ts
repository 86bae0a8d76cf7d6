// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from 'vitest';
import { put, remove } from '../../registry/etcd/client/index.js';
import { Followed } from './followed.js';
import { MemberProxy } from './member-proxy.js';
import { Members } from './members.js';
import { until } from './until.js';

let members: Members;
let proxy: MemberProxy;
beforeAll(async () => {
  members = await Members.start();
  proxy = await MemberProxy.before(members.member(0).endpoint);
});
afterAll(async () => {
  await proxy?.close();
  await members?.dispose();
});

const near = () => members.client();
const behindProxy = () => members.client({ endpoints: [proxy.endpoint] });

test('a watch goes on where it was when its connection broke', async () => {
  const writer = near();
  const followed = new Followed(behindProxy(), ['/break/']);
  await until('it is connected', () => followed.follow.connected);
  for (let i = 0; i < 5; i += 1) {
    proxy.cut();
    await until('it hears of that', () => !followed.follow.connected);
    expect(followed.follow.disconnectedForMs).toBeGreaterThan(0);
    await writer.kv.put('/break/a', `${i}`);
    await writer.kv.put(`/break/${i}`, 'x');
    proxy.mend();
    await until('it is back', () => followed.follow.connected);
  }
  expect(followed.told).toEqual(
    Array.from({ length: 5 }, (_, i) => [`+/break/a=${i}`, `+/break/${i}=x`]).flat(),
  );
  expect(followed.connections).toHaveLength(6);
  expect(followed.troubles.map(({ code }) => code)).toEqual(Array(5).fill('REGISTRY_UNAVAILABLE'));
  // Said to be connected only with everything in hand that was there.
  expect(followed.connections.at(-1)).toBeGreaterThanOrEqual(
    followed.batches.at(-1)?.revision ?? Number.POSITIVE_INFINITY,
  );
});

test('what was compacted away during an outage comes as the true difference', async () => {
  const writer = near();
  for (const key of ['same', 'other', 'gone', 'again']) await writer.kv.put(`/c/${key}`, '1');
  const followed = new Followed(behindProxy(), ['/c/'], { pageKeys: 2 });
  await until('it is connected', () => followed.follow.connected);
  expect([...followed.values.keys()]).toEqual(['/c/again', '/c/gone', '/c/other', '/c/same']);
  proxy.cut();
  await until('it hears of that', () => !followed.follow.connected);
  await writer.kv.put('/c/other', '2');
  await writer.kv.remove('/c/gone');
  await writer.kv.put('/c/new', '1');
  await writer.kv.put('/c/brief', '1');
  await writer.kv.remove('/c/brief');
  await writer.kv.remove('/c/again');
  const revision = await writer.kv.put('/c/again', '1');
  await writer.kv.compact(revision);
  proxy.mend();
  await until('it is back', () => followed.follow.connected);
  expect(followed.batches.map(({ resync }) => resync)).toEqual([true]);
  expect(followed.told.sort()).toEqual(
    ['-/c/gone', '+/c/again=1', '+/c/new=1', '+/c/other=2'].sort(),
  );
  expect(followed.follow.revision).toBeGreaterThanOrEqual(revision);
  await writer.kv.put('/c/new', '2');
  await until('changes come again', () => followed.values.get('/c/new') === '2');
  expect(followed.batches.at(-1)?.resync).toBe(false);
});

test('a transaction that came in fragments comes whole', async () => {
  const writer = near();
  const followed = new Followed(behindProxy(), ['/large/']);
  await until('it is connected', () => followed.follow.connected);
  proxy.cut();
  await until('it hears of that', () => !followed.follow.connected);
  const octets = 700_000;
  const large = (letter: string) => letter.repeat(octets);
  // etcd cuts after about 1.5 MB, which is inside the second transaction.
  await writer.kv.put('/large/a', large('a'));
  const success = [put('/large/b', large('b')), put('/large/c', large('c'))];
  await writer.kv.txn({ when: [], success });
  for (const key of ['d', 'e', 'f']) await writer.kv.put(`/large/${key}`, large(key) + large(key));
  proxy.mend();
  await until('it is back', () => followed.follow.connected);
  expect(
    followed.batches.map(({ changes }) =>
      changes.map((change) => (change.kind === 'put' ? change.entry.key : '')),
    ),
  ).toEqual([['/large/a'], ['/large/b', '/large/c'], ['/large/d'], ['/large/e'], ['/large/f']]);
  expect(followed.values.get('/large/f')?.length).toBe(2 * octets);
});

test('a reader that is slower than compaction is resynchronized', async () => {
  const writer = near();
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const followed = new Followed(near(), ['/slow/'], { before: () => released });
  await until('it is connected', () => followed.follow.connected);
  const text = 'x'.repeat(1_000);
  const count = 3_000;
  for (let i = 0; i < count; i += 100) {
    // One key a transaction: many messages, which fill what lies between etcd and the reader.
    const puts = Array.from({ length: 100 }, (_, j) => `/slow/${(i + j) % 50}`);
    await Promise.all(puts.map((key) => writer.kv.put(key, `${i}${text}`)));
  }
  await writer.kv.remove('/slow/7');
  const last = await writer.kv.put('/slow/end', 'end');
  await writer.kv.compact(last);
  release();
  await until('it has the end', () => followed.values.get('/slow/end') === 'end');
  await until('it is connected', () => followed.follow.connected);
  const { entries } = await writer.kv.list('/slow/');
  expect([...followed.values].sort()).toEqual(
    entries.map(({ key, value }) => [key, value.toString()]).sort(),
  );
  expect(followed.batches.some(({ resync }) => resync)).toBe(true);
  expect(followed.batches.length).toBeLessThan(count);
});

test('a transaction under two prefixes comes as one, each in its order', async () => {
  const writer = near();
  await writer.kv.put('/p/one/a', '0');
  const followed = new Followed(near(), ['/p/one/', '/p/two/']);
  await until('it is connected', () => followed.follow.connected);
  await writer.kv.txn({ when: [], success: [put('/p/one/a', '1'), put('/p/two/a', '1')] });
  await writer.kv.put('/p/two/b', '1');
  await writer.kv.txn({ when: [], success: [remove('/p/one/a'), put('/p/two/a', '2')] });
  await writer.kv.put('/p/one/b', '1');
  await until('all came', () => followed.values.get('/p/one/b') === '1');
  expect(
    followed.batches.map(({ changes }) =>
      changes.map((change) => (change.kind === 'put' ? change.entry.key : `-${change.key}`)),
    ),
  ).toEqual([['/p/one/a', '/p/two/a'], ['/p/two/b'], ['-/p/one/a', '/p/two/a'], ['/p/one/b']]);
});

test('a key that is followed alone comes without those that begin alike, and what lies between', async () => {
  const writer = near();
  await writer.kv.put('/one/a', '0');
  await writer.kv.put('/one/a1', '0');
  const alone = new Followed(near(), [{ key: '/one/a' }]);
  const both = new Followed(near(), [{ key: '/one/a' }, '/one/z/']);
  await until('both are connected', () => alone.follow.connected && both.follow.connected);
  expect([...both.values.keys()]).toEqual(['/one/a']);
  for (const key of ['/one/a1', '/one/a', '/one/m/x', '/one/z/x', '/one/z']) {
    await writer.kv.put(key, '1');
  }
  await writer.kv.remove('/one/a1');
  await writer.kv.remove('/one/a');
  await until('all came', () => !alone.values.has('/one/a') && !both.values.has('/one/a'));
  expect(alone.told).toEqual(['+/one/a=1', '-/one/a']);
  expect(both.told).toEqual(['+/one/a=1', '+/one/z/x=1', '-/one/a']);
});

test('what lies between prefixes does not keep a follower from being connected', async () => {
  const writer = near();
  const followed = new Followed(behindProxy(), ['/gap/a/', '/gap/c/']);
  await until('it is connected', () => followed.follow.connected);
  await writer.kv.put('/gap/a/1', '1');
  await until('a change came', () => followed.told.length === 1);
  await writer.kv.put('/gap/b/1', '1');
  proxy.cut();
  await until('it hears of that', () => !followed.follow.connected);
  await writer.kv.put('/gap/b/2', '1');
  await writer.kv.put('/gap/c/1', '1');
  proxy.mend();
  await until('it is back', () => followed.follow.connected);
  expect(followed.told).toEqual(['+/gap/a/1=1', '+/gap/c/1=1']);
  expect(followed.batches.some(({ resync }) => resync)).toBe(false);
});

test('a handler that failed is given what it may have missed', async () => {
  const writer = near();
  await writer.kv.put('/fault/a', '0');
  let faults = 2;
  const followed = new Followed(near(), ['/fault/'], {
    before: () => {
      faults -= 1;
      if (faults >= 0) throw new Error('a fault in a handler');
    },
  });
  await until('it is connected', () => followed.follow.connected);
  await writer.kv.put('/fault/a', '1');
  await until('it has the value', () => followed.values.get('/fault/a') === '1');
  expect(followed.batches).toHaveLength(1);
  expect(followed.troubles[0]?.message).toContain('a fault in a handler');
});

test('a watch knows how far its member is', async () => {
  const client = near();
  const revision = await client.kv.put('/progress', 'x');
  const told: number[] = [];
  const watch = client.watch({ key: '/progress' }, revision + 1, {
    onChanges: () => undefined,
    onCompacted: () => undefined,
    onProgress: (at) => {
      told.push(at);
    },
  });
  await until('it is connected', () => watch.connected);
  const later = await client.kv.put('/elsewhere', 'x');
  await until('the answer came', () => {
    watch.requestProgress();
    return told.some((at) => at >= later);
  });
  watch.close();
  expect(watch.requestProgress()).toBe(false);
});
