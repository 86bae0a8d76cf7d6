// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  absent,
  get,
  type MarkedTransaction,
  nested,
  put,
  RegistryCallError,
  rangeEmpty,
  rangeUnchanged,
  unchanged,
  valueOver,
  withPrefix,
} from '../../registry/etcd/client/index.js';
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

function allocation(id: string, owner: string, attempt = '1'): MarkedTransaction {
  return {
    what: `allocation to ${owner}`,
    mark: { key: `/own/${owner}`, value: `${id} ${attempt}` },
    when: [absent(`/id/${id}`)],
    success: [put(`/id/${id}`, owner)],
    failure: [get(`/id/${id}`)],
  };
}

describe('an answer that is lost after the commit', () => {
  test('leaves the fate of a plain transaction unknown', async () => {
    const client = behindProxy();
    await client.kv.get('/connect');
    proxy.loseAnswers();
    const failed = client.kv.txn({ when: [], success: [put('/lost', 'x')] });
    const error = await failed.catch((reason: unknown) => reason);
    proxy.mend();
    expect(error).toBeInstanceOf(RegistryCallError);
    expect(error).toMatchObject({ code: 'REGISTRY_UNAVAILABLE', fate: 'unknown' });
    // It was done, and it was not sent again.
    expect((await near().kv.get('/lost'))?.version).toBe(1);
  });

  test('does not hide from a marked one that it was done', async () => {
    const client = behindProxy();
    const watcher = near();
    await client.kv.get('/connect');
    proxy.loseAnswers();
    const allocated = client.transact({ ...allocation('5', 'a'), mark: mark('a', '5 1') });
    await until('it is committed', async () => (await watcher.kv.get('/id/5')) !== undefined);
    proxy.mend();
    const committed = await watcher.kv.get('/own/a');
    expect(await allocated).toEqual({
      done: true,
      revision: committed?.modRevision,
      results: undefined,
    });
    expect(committed?.version).toBe(1);
  });

  test('does not hide from one that asks again after a restart', async () => {
    const client = behindProxy();
    await client.kv.get('/connect');
    proxy.loseAnswers();
    const transaction = { ...allocation('6', 'b'), giveUpMs: 300 };
    const error = await client
      .transact({ ...transaction, mark: mark('b', '6 1') })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ fate: 'unknown' });
    proxy.mend();
    expect(await near().transact(transaction)).toMatchObject({ done: true });
    expect((await near().kv.get('/own/b'))?.version).toBe(1);
  });
});

function mark(owner: string, value: string) {
  return { key: `/own/${owner}`, value, before: 0 };
}

test('a marked transaction whose condition does not hold is not done, and says so', async () => {
  const client = near();
  expect(await client.transact(allocation('9', 'first'))).toMatchObject({ done: true });
  const second = await client.transact(allocation('9', 'second'));
  expect(second).toMatchObject({
    done: false,
    mark: undefined,
    results: [{ kind: 'get', entries: [{ key: '/id/9' }] }],
  });
  // The mark as it was found is a condition too: what another attempt did is not done over.
  const stale = await client.transact({
    ...allocation('10', 'first', '2'),
    mark: mark('first', 'x'),
  });
  expect(stale).toMatchObject({ done: false, mark: { key: '/own/first' } });
  expect(await client.kv.get('/id/10')).toBeUndefined();
});

test('the marked transactions of many at once give each ID to one', async () => {
  const client = near();
  const race = await Promise.all(
    Array.from({ length: 20 }, (_, i) => client.transact(allocation('77', `racer-${i}`))),
  );
  expect(race.filter(({ done }) => done)).toHaveLength(1);
});

describe('conditions', () => {
  const holds = async (...when: ReturnType<typeof absent>[]) =>
    (await near().kv.txn({ when, success: [] })).held;

  test('over all values with a prefix', async () => {
    const client = near();
    expect(await holds(valueOver('/ack/', '0000'))).toBe(false);
    expect(await holds(rangeEmpty('/ack/'))).toBe(true);
    for (let i = 10; i < 30; i += 1) await client.kv.put(`/ack/${i}`, `00${i}`);
    expect(await holds(valueOver('/ack/', '0009'))).toBe(true);
    expect(await holds(valueOver('/ack/', '0010'))).toBe(false);
    expect(await holds(rangeEmpty('/ack/'))).toBe(false);
  });

  test('that nothing was put since', async () => {
    const client = near();
    const revision = await client.kv.put('/since/a', '1');
    await client.kv.put('/other', '1');
    expect(await holds(rangeUnchanged('/since/', revision))).toBe(true);
    expect(await holds(unchanged('/since/a', revision))).toBe(true);
    await client.kv.put('/since/a', '2');
    expect(await holds(rangeUnchanged('/since/', revision))).toBe(false);
    expect(await holds(unchanged('/since/a', revision))).toBe(false);
    expect(await holds(unchanged('/since/none', 0))).toBe(true);
  });

  test('inside one another, as a chain of candidates', async () => {
    const client = near();
    for (const taken of [0, 1, 2]) await client.kv.put(`/chain/${taken}`, 'x');
    const chain = Array.from({ length: 32 }, (_, i) => i).reduceRight(
      (inner: ReturnType<typeof nested>[], i) => [
        nested({
          when: [absent(`/chain/${i}`)],
          success: [put(`/chain/${i}`, 'me')],
          failure: inner,
        }),
      ],
      [],
    );
    const { results } = await client.kv.txn({ when: [], success: chain });
    expect(results).toHaveLength(1);
    const { entries } = await client.kv.list('/chain/');
    expect(entries.map(({ key }) => key)).toEqual([0, 1, 2, 3].map((i) => `/chain/${i}`));
  });
});

describe('what etcd refuses', () => {
  test('is not done, and would be refused again', async () => {
    const client = near();
    const of = (promise: Promise<unknown>) => promise.catch((reason: unknown) => reason);
    const refused = { code: 'REGISTRY_REQUEST_INVALID', fate: 'not done', passing: false };
    const twice = { when: [], success: [put('/twice', '1'), put('/twice', '2')] };
    expect(await of(client.kv.txn(twice))).toMatchObject(refused);
    const many = Array.from({ length: 129 }, (_, i) => put(`/many/${i}`, 'x'));
    expect(await of(client.kv.txn({ when: [], success: many }))).toMatchObject(refused);
    expect(await of(client.kv.put('/large', 'x'.repeat(1_600_000)))).toMatchObject(refused);
    expect(await of(client.kv.put('/larger', 'x'.repeat(2_500_000)))).toMatchObject(refused);
    expect(await of(client.kv.put('/leased', 'x', '12345'))).toMatchObject(refused);
  });

  test('leaves one unknown that was sent before', async () => {
    const client = behindProxy();
    await client.kv.get('/connect');
    proxy.loseAnswers();
    const sent = client.kv.txn(
      { when: [], success: [put('/closed', 'x')] },
      { repeatable: true, giveUpMs: 2_000 },
    );
    await until('it arrived', async () => (await near().kv.get('/closed')) !== undefined);
    proxy.cut();
    const error = await sent.catch((reason: unknown) => reason);
    proxy.mend();
    // Later copies were known not to be sent.
    expect(error).toMatchObject({ code: 'REGISTRY_UNAVAILABLE', fate: 'unknown' });
  });
});

test('IDs of 64 bits are read as they are', async () => {
  const client = near();
  const status = await client.status();
  const [member] = await client.members();
  expect(BigInt(status.memberId)).toBeGreaterThan(2n ** 53n);
  expect(member?.id).toBe(status.memberId);
  expect(status.leader).toBe(status.memberId);
  const { entries } = await client.kv.list(withPrefix(''));
  expect(entries.length).toBeGreaterThan(0);
});

test('pages are of one revision, whatever is written meanwhile', async () => {
  const client = near();
  for (let i = 0; i < 10; i += 1) await client.kv.put(`/pages/${i}`, 'old');
  const pages: string[][] = [];
  for await (const { entries } of client.kv.pages('/pages/', { pageKeys: 3 })) {
    pages.push(entries.map(({ value }) => value.toString()));
    await client.kv.put('/pages/5', 'new');
    await client.kv.put('/pages/55', 'new');
  }
  expect(pages.map((page) => page.length)).toEqual([3, 3, 3, 1]);
  expect(new Set(pages.flat())).toEqual(new Set(['old']));
});
