// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from 'vitest';
import { absent, put, withPrefix } from '../../registry/etcd/client/index.js';
import { Followed } from './followed.js';
import { Members } from './members.js';
import { until } from './until.js';

let members: Members;
beforeAll(async () => {
  members = await Members.start({ quotaOctets: 8 * 1024 * 1024 });
});
afterAll(() => members?.dispose());

test('a full etcd says so; reading, deleting, leases and watches go on', async () => {
  const client = members.client();
  let kept = 0;
  const onKept = () => {
    kept += 1;
  };
  client.lease(
    { ttl: 2 },
    { onGranted: (id) => client.kv.put('/alive', 'x', id).then(() => undefined), onKept },
  );
  const followed = new Followed(client, ['/data/']);
  await until('all is well', () => followed.follow.connected && kept > 0);
  const value = Buffer.alloc(1_000_000);
  let error: unknown;
  for (let i = 0; error === undefined; i += 1) {
    error = await client.kv.put(`/data/${i}`, value).then(
      () => undefined,
      (reason: unknown) => reason,
    );
  }
  const full = { code: 'REGISTRY_FULL', passing: false, fate: 'not done' };
  expect(error).toMatchObject(full);
  expect(await client.isFull()).toBe(true);
  const reasonOf = (promise: Promise<unknown>) => promise.catch((reason: unknown) => reason);
  expect(
    await reasonOf(client.kv.txn({ when: [absent('/b')], success: [put('/b', '1')] })),
  ).toMatchObject(full);
  const codes: string[] = [];
  const waiting = client.lease(
    { ttl: 60 },
    { onGranted: () => undefined, onTrouble: ({ code }) => codes.push(code) },
  );
  await until('no lease is granted', () => codes.length > 0);
  expect(codes[0]).toBe('REGISTRY_FULL');

  const keptBefore = kept;
  await until('the lease that there was is kept', () => kept > keptBefore + 1);
  const { removed } = await client.kv.remove('/data/0');
  expect(removed).toBe(1);
  await until('the removal came', () => !followed.values.has('/data/0'));
  expect(await client.kv.get('/alive')).toBeDefined();

  const emptied = await client.kv.remove(withPrefix('/data/'));
  await client.kv.compact(emptied.revision);
  await members.etcdctl('defrag');
  await members.etcdctl('alarm', 'disarm');
  await client.kv.put('/data/again', 'x');
  expect(await client.isFull()).toBe(false);
  await until('a lease is granted', () => waiting.id !== undefined);
});
