// SPDX-License-Identifier: Apache-2.0
import { afterEach, expect, test } from 'vitest';
import type { EtcdClient, Lease } from '../../registry/etcd/client/index.js';
import { MemberProxy } from './member-proxy.js';
import { Members } from './members.js';
import { until } from './until.js';

let members: Members | undefined;
let proxy: MemberProxy | undefined;
afterEach(async () => {
  await proxy?.close();
  await members?.dispose();
  proxy = undefined;
  members = undefined;
});

/** A lease with one key, and what was told of it. */
class Held {
  readonly lease: Lease;
  readonly granted: string[] = [];
  readonly lost: string[] = [];
  kept = 0;
  troubles = 0;

  constructor(client: EtcdClient, ttl: number) {
    this.lease = client.lease(
      { ttl },
      {
        onGranted: async (id) => {
          await client.kv.put('/alive', `${this.granted.length}`, id);
          this.granted.push(id);
        },
        onLost: (id) => {
          this.lost.push(id);
        },
        onKept: () => {
          this.kept += 1;
        },
        onTrouble: () => {
          this.troubles += 1;
        },
      },
    );
  }
}

test('a lease that is gone is taken anew, and its keys are put again', async () => {
  members = await Members.start();
  const client = members.client();
  const held = new Held(client, 60);
  await until('it is granted', () => held.granted.length === 1);
  const [id = ''] = held.granted;
  expect(held.lease.id).toBe(id);
  expect(BigInt(id)).toBeGreaterThan(2n ** 53n);
  await revokeWithEtcdctl(members, id);
  expect(await client.kv.get('/alive')).toBeUndefined();
  // With 60 s it asks again after 20: it hears of the loss when its stream is opened again.
  await members.member(0).kill();
  members.member(0).start();
  await until('there is another one', () => held.granted.length === 2);
  expect(held.lost).toEqual([id]);
  expect((await client.kv.get('/alive'))?.lease).toBe(held.granted[1]);
  expect(held.lease.id).toBe(held.granted[1]);
});

test('a keepalive that is answered with no time left is a lease that is lost', async () => {
  members = await Members.start();
  const client = members.client();
  const held = new Held(client, 2);
  await until('it is kept', () => held.kept > 1);
  const [id = ''] = held.granted;
  await revokeWithEtcdctl(members, id);
  await until('there is another one', () => held.granted.length === 2);
  expect(held.lost).toEqual([id]);
  expect(held.troubles).toBe(0);
  expect((await client.kv.get('/alive'))?.value.toString()).toBe('1');
});

test('a lease outlives a break that is shorter than it', async () => {
  members = await Members.start();
  proxy = await MemberProxy.before(members.member(0).endpoint);
  const client = members.client({ endpoints: [proxy.endpoint] });
  const held = new Held(client, 60);
  await until('it is kept', () => held.kept > 0);
  for (let i = 0; i < 3; i += 1) {
    const { kept, troubles } = held;
    proxy.cut();
    await until('it hears of that', () => held.troubles > troubles);
    proxy.mend();
    await until('it is kept again', () => held.kept > kept);
  }
  expect(held.granted).toHaveLength(1);
  expect(held.lost).toEqual([]);
  expect(held.lease.unconfirmedForMs).toBeGreaterThanOrEqual(0);
});

test('all members pause for longer than it lives: it is lost, and taken anew', async () => {
  members = await Members.start({ count: 3 });
  const client = members.client();
  const held = new Held(client, 2);
  await until('it is kept', () => held.kept > 0);
  // A leader that is chosen anew gives every lease its full time again, so once may not do.
  while (held.lost.length === 0) {
    const { kept } = held;
    members.pauseAll();
    await until('nobody confirmed it for long', () => (held.lease.unconfirmedForMs ?? 0) > 6_000);
    expect(held.lost).toEqual([]);
    members.resumeAll();
    await until('it is known', () => held.lost.length > 0 || held.kept > kept);
  }
  await until('there is another one', () => held.granted.length === 2);
  expect(held.lost).toEqual([held.granted[0]]);
  expect((await client.kv.get('/alive'))?.value.toString()).toBe('1');
});

test('a holder whose keys cannot be put gives the lease back', async () => {
  members = await Members.start();
  const client = members.client();
  const ids: string[] = [];
  const lease = client.lease(
    { ttl: 60 },
    {
      onGranted: async (id) => {
        ids.push(id);
        await client.kv.put('/fails', 'x', id);
        if (ids.length === 1) throw new Error('a fault');
      },
    },
  );
  await until('it is granted again', () => ids.length === 2 && lease.id === ids[1]);
  await until('the key is put', async () => (await client.kv.get('/fails'))?.lease === ids[1]);
});

async function revokeWithEtcdctl(of: Members, id: string): Promise<void> {
  await of.etcdctl('lease', 'revoke', BigInt(id).toString(16));
}
