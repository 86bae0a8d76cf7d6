// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, test } from 'vitest';
import { leftovers, Scope, sweepLeftovers } from '../netns/scope.js';
import { Followed } from './followed.js';
import type { Members } from './members.js';
import { EtcdNetwork } from './network.js';
import { until } from './until.js';

const FAMILY = 'cdetcd';

let scope: Scope;
let network: EtcdNetwork | undefined;
let members: Members;
beforeEach(async () => {
  await sweepLeftovers(FAMILY);
  scope = new Scope(FAMILY);
  network = await EtcdNetwork.build(scope);
  members = network.members;
});
afterEach(async () => {
  await network?.members.dispose();
  network = undefined;
  await scope.dispose();
  expect(leftovers(scope.name)).toEqual([]);
});

test('a member that is cut off from its peers is left, by calls, watches and leases', async () => {
  const follower = ((await members.leader()) + 1) % 3;
  const client = members.client({ first: follower });
  const followed = new Followed(client, ['/f/']);
  let kept = 0;
  const lost: string[] = [];
  client.lease(
    { ttl: 10 },
    {
      onGranted: () => undefined,
      onLost: (id) => lost.push(id),
      onKept: () => {
        kept += 1;
      },
    },
  );
  await until('all is well', () => followed.follow.connected && kept > 0);
  const at = client.endpoint;
  await network?.linkToPeers(follower, false);
  // The client still reaches it; only the member itself can say that it hears nothing.
  const writer = members.client({ first: (follower + 1) % 3 });
  await writer.kv.put('/f/a', '1');
  await until('the change came', () => followed.values.get('/f/a') === '1');
  const keptBefore = kept;
  await until('the lease is kept', () => kept > keptBefore);
  expect(client.endpoint).not.toBe(at);
  expect(lost).toEqual([]);
  await client.kv.put('/f/a', '2');
  await until('the change came', () => followed.values.get('/f/a') === '2');
  await network?.linkToPeers(follower, true);
});

test('the leader of a minority is left, and what it did not commit is not seen', async () => {
  const leader = await members.leader();
  const client = members.client({ first: leader });
  const followed = new Followed(client, ['/f/']);
  await until('it is connected', () => followed.follow.connected);
  await network?.linkToPeers(leader, false);
  const result = await client.transact({
    what: 'write at a minority',
    mark: { key: '/f/a', value: '1', before: 0 },
    when: [],
    success: [],
  });
  expect(result.done).toBe(true);
  await until('the change came', () => followed.values.get('/f/a') === '1');
  await network?.linkToPeers(leader, true);
  await members.healthy();
  expect((await client.kv.get('/f/a'))?.version).toBe(1);
  expect(followed.told).toEqual(['+/f/a=1']);
});

test('a member whose link to the clients is cut is left', async () => {
  const client = members.client({ first: 0 });
  const followed = new Followed(client, ['/f/']);
  await until('it is connected', () => followed.follow.connected);
  await network?.linkToClients(0, false);
  const writer = members.client({ first: 1 });
  await writer.kv.put('/f/a', '1');
  await until('the change came', () => followed.values.get('/f/a') === '1');
  await network?.linkToClients(0, true);
});
