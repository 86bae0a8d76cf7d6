// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type EtcdClient, put, RegistryCallError } from '../../registry/etcd/client/index.js';
import { Random } from '../fuzz/random.js';
import { Followed } from './followed.js';
import { MemberProxy } from './member-proxy.js';
import { Members } from './members.js';
import { until } from './until.js';

let members: Members;
beforeEach(async () => {
  members = await Members.start({ count: 3 });
});
afterEach(() => members.dispose());

/** Index of a member that does not lead. */
async function aFollower(): Promise<number> {
  return ((await members.leader()) + 1) % 3;
}

test('calls, watches and leases move on when the leader is killed', async () => {
  const leader = await members.leader();
  const client = members.client({ first: leader });
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
  expect(client.endpoint).toBe(members.member(leader).endpoint);
  await members.member(leader).kill();
  const keptBefore = kept;
  await client.kv.put('/f/a', '1');
  await until('the change came', () => followed.values.get('/f/a') === '1');
  await until('the lease is kept', () => kept > keptBefore);
  expect(client.endpoint).not.toBe(members.member(leader).endpoint);
  expect(lost).toEqual([]);
});

test('a watch that nobody asks about leaves a member that is stopped', async () => {
  const follower = await aFollower();
  const watching = members.client({ first: follower });
  const followed = new Followed(watching, ['/f/']);
  await until('it is connected', () => followed.follow.connected);
  // Pings alone find out: this client calls nothing.
  members.member(follower).pause();
  const writer = members.client({ first: (follower + 1) % 3 });
  await writer.kv.put('/f/a', '1');
  // The follower is still stopped, so it came from another member.
  await until('the change came', () => followed.values.get('/f/a') === '1');
  members.member(follower).resume();
});

test('calls leave a member that is stopped, and streams go with them', async () => {
  const follower = await aFollower();
  const client = members.client({ first: follower });
  const followed = new Followed(client, ['/f/']);
  await until('it is connected', () => followed.follow.connected);
  members.member(follower).pause();
  await client.kv.put('/f/a', '1');
  await until('the change came', () => followed.values.get('/f/a') === '1');
  // The call found out, and not the pings, which take longer.
  expect(followed.troubles[0]?.message).toContain('did not answer in time');
  members.member(follower).resume();
});

test('a member without a leader says so, and is not listened to', async () => {
  const leader = await members.leader();
  const alone = (leader + 1) % 3;
  const client = members.client({ endpoints: [members.member(alone).endpoint] });
  const followed = new Followed(client, ['/f/']);
  const troubles: string[] = [];
  let kept = 0;
  client.lease(
    { ttl: 10 },
    {
      onGranted: () => undefined,
      onTrouble: ({ message }) => troubles.push(message),
      onKept: () => {
        kept += 1;
      },
    },
  );
  await until('all is well', () => followed.follow.connected && kept > 0);
  for (const other of [leader, (alone + 1) % 3]) members.member(other).pause();
  await until('the watch hears of it', () => !followed.follow.connected);
  await until('the lease hears of it', () => troubles.length > 0);
  expect(followed.troubles[0]?.message).toContain('no leader');
  const error = await client.kv.get('/f/a').catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  members.resumeAll();
  await until('the watch is back', () => followed.follow.connected);
  await client.kv.put('/f/a', '1');
  await until('the change came', () => followed.values.get('/f/a') === '1');
});

test.each([
  ['fewer', 0],
  ['more', 30],
])('data that were lost are noticed, with %s new ones', async (_, elsewhere) => {
  const proxy = await MemberProxy.before(members.member(0).endpoint);
  const client = members.client({ endpoints: [proxy.endpoint] });
  for (let i = 0; i < 20; i += 1) await client.kv.put(`/f/${i}`, 'old');
  const followed = new Followed(client, ['/f/']);
  await until('it is connected', () => followed.follow.connected);
  proxy.cut();
  await members.startAgainEmpty();
  const writer = members.client();
  await writer.kv.put('/f/0', 'new');
  for (let i = 0; i < elsewhere; i += 1) await writer.kv.put('/elsewhere', 'x');
  proxy.mend();
  await until('the old is gone', () => followed.values.size === 1);
  expect([...followed.values]).toEqual([['/f/0', 'new']]);
  await writer.kv.put('/f/1', 'new');
  await until('changes come', () => followed.values.get('/f/1') === 'new');
  await proxy.close();
});

// The faults come in an order that a seed chooses, and each is waited for and mended.
test.each([1, 2])(
  'nothing is lost and nothing comes twice through faults (%i)',
  async (seed) => {
    const random = new Random(seed);
    const client = members.client({ first: 1 });
    const followed = new Followed(client, ['/one/', '/two/']);
    await until('it is connected', () => followed.follow.connected);
    const writers = [0, 1, 2].map((i) => new Writer(members.client({ first: i }), i));
    for (let fault = 0; fault < 6; fault += 1) {
      const member = members.member(random.below(3));
      const written = writers.map(({ acknowledged }) => acknowledged);
      if (random.chance(0.5)) {
        await member.kill();
        await pause(random.below(1_500));
        member.start();
      } else {
        member.pause();
        await pause(random.below(9_000));
        member.resume();
      }
      await until('every writer goes on', () =>
        writers.every(({ acknowledged }, i) => acknowledged > (written[i] ?? 0)),
      );
    }
    await Promise.all(writers.map((writer) => writer.stop()));
    await until('it has what is there', async () => {
      const { entries } = await client.kv.list('/');
      return entries.every(({ key, value }) => followed.values.get(key) === value.toString());
    });
    // Each value of each key once, in order, and both keys of a transaction in one batch.
    for (const writer of writers) {
      const told = followed.batches.flatMap(({ changes }) =>
        changes.flatMap((change) =>
          change.kind === 'put' && change.entry.key === `/one/${writer.name}`
            ? [Number(change.entry.value.toString())]
            : [],
        ),
      );
      expect(told).toEqual(Array.from(told, (_, i) => i + 1));
      expect(told.length).toBeGreaterThanOrEqual(writer.acknowledged);
    }
    for (const { changes } of followed.batches) {
      const values = changes.map((change) =>
        change.kind === 'put' ? change.entry.value.toString() : '-',
      );
      expect(values).toHaveLength(2);
      expect(values[0]).toBe(values[1]);
    }
    const revisions = followed.batches.map((batch) => batch.revision);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    expect(followed.batches.some(({ resync }) => resync)).toBe(false);
  },
  240_000,
);

/** Counts up in two keys at once, each number once although answers are lost. */
class Writer {
  readonly name: string;
  acknowledged = 0;
  readonly #client: EtcdClient;
  readonly #done: Promise<void>;
  #stopping = false;

  constructor(client: EtcdClient, index: number) {
    this.#client = client;
    this.name = `w${index}`;
    this.#done = this.#write();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#done;
  }

  async #write(): Promise<void> {
    while (!this.#stopping) {
      const value = `${this.acknowledged + 1}`;
      try {
        const result = await this.#client.transact({
          what: 'count',
          mark: { key: `/one/${this.name}`, value },
          when: [],
          success: [put(`/two/${this.name}`, value)],
          giveUpMs: 5_000,
        });
        if (!result.done) throw new Error(`${this.name} was not alone`);
        this.acknowledged += 1;
      } catch (error) {
        if (!(error instanceof RegistryCallError)) throw error;
      }
      await pause(5);
    }
  }
}
