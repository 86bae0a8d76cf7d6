// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type EtcdClient,
  put,
  remove,
  type Transaction,
  withPrefix,
} from '../../registry/etcd/client/index.js';
import {
  acknowledge,
  allForgot,
  announce,
  comeAlive,
  countOut,
  decideGate,
  FleetPicture,
  type FleetView,
  gateConditions,
  leave,
  nobodyIssues,
  putAway,
  type SeenName,
  unmark,
  type Wanted,
  waitingToForget,
} from '../../registry/etcd/fleet/index.js';
import { acknowledgement, Keys } from '../../registry/etcd/layout/index.js';
import { Members } from './members.js';

const keys = new Keys('/gate');
let members: Members;
let client: EtcdClient;
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());

async function viewNow(): Promise<FleetView> {
  const picture = new FleetPicture(keys);
  const { revision, entries } = await client.kv.list(keys.root);
  picture.begin(revision, entries);
  return picture.view;
}

const holds = async (when: Transaction['when']) =>
  (await client.kv.txn({ when, success: [] })).held;
const run = async (transaction: Transaction) => (await client.kv.txn(transaction)).held;
const clear = () => client.kv.remove(withPrefix(keys.root));

async function seen(key: string): Promise<{ key: string; modRevision: number }> {
  const found = await client.kv.get(key);
  return { key, modRevision: found?.modRevision ?? 0 };
}

async function nameSeen(): Promise<SeenName> {
  const name = await seen(keys.agentName('lb-1'));
  const live = await seen(keys.liveAgent('lb-1'));
  return { name: name.modRevision, live: live.modRevision };
}

async function announces(holds: number): Promise<boolean> {
  const owner = { identity: 'one', host: '' };
  return run(announce(keys, { agent: 'lb-1', owner, holds, seen: await nameSeen() }));
}

async function wanted(): Promise<Wanted> {
  return {
    config: await seen(keys.config('web', 1)),
    ids: [await seen(keys.id('web', 1, '01'))],
  };
}

const lag = fc.option(fc.integer({ min: -2, max: 2 }), { nil: undefined });

test('what is decided on a view is what etcd compares', async () => {
  const open: boolean[] = [];
  const forgot: boolean[] = [];
  await fc.assert(
    fc.asyncProperty(
      fc.array(lag, { minLength: 3, maxLength: 3 }),
      fc.array(lag, { minLength: 2, maxLength: 2 }),
      async (acks, stale) => {
        await clear();
        await client.kv.put(keys.config('web', 1), 'config');
        const revision = await client.kv.put(keys.id('web', 1, '01'), 'id');
        const puts = [
          ...acks.map((by, i) => [keys.ack(`lb-${i}`), by] as const),
          ...stale.map((by, i) => [keys.stale(`away-${i}`), by] as const),
        ].flatMap(([key, by]) =>
          by === undefined ? [] : [put(key, acknowledgement(revision + by))],
        );
        await client.kv.txn({ when: [], success: puts });
        const view = await viewNow();
        const things = await wanted();
        const decision = decideGate(keys, view, things);
        expect(decision.revision).toBe(revision);
        expect(await holds(gateConditions(keys, things))).toBe(decision.open);
        open.push(decision.open);
        const free = view.acks.size > 0 && waitingToForget(view, revision).length === 0;
        expect(await holds(allForgot(keys, view, revision))).toBe(free);
        forgot.push(free);
      },
    ),
    { numRuns: 150 },
  );
  // Both answers were met.
  expect(new Set(open).size + new Set(forgot).size).toBe(4);
});

test('the gate is shut again when the config or an ID is written after they were seen', async () => {
  for (const key of [keys.config('web', 1), keys.id('web', 1, '01')]) {
    await clear();
    await client.kv.put(keys.config('web', 1), 'config');
    const revision = await client.kv.put(keys.id('web', 1, '01'), 'id');
    await client.kv.put(keys.ack('lb-1'), acknowledgement(revision + 100));
    const conditions = gateConditions(keys, await wanted());
    expect(await holds(conditions)).toBe(true);
    await client.kv.put(key, 'other');
    expect(await holds(conditions)).toBe(false);
    await client.kv.remove(key);
    expect(await holds(conditions)).toBe(false);
  }
});

test('an agent joins in two steps, acknowledges, is put away and joins again', async () => {
  await clear();
  const lease = await granted();
  const value = { identity: 'one', host: '', since: 7 };
  const comes = async (holds: number) => {
    const seen = await nameSeen();
    return () => run(comeAlive(keys, { agent: 'lb-1', lease, value, seen, holds }));
  };
  await client.kv.put(keys.stale('lb-1'), acknowledgement(3));
  // Without the first step there is no second.
  expect(await (await comes(5))()).toBe(false);
  expect(await announces(5)).toBe(true);
  let view = await viewNow();
  expect(view.acks.get('lb-1')?.value).toBe(5);
  expect(view.stale.size + view.liveAgents.size).toBe(0);
  expect(await run(acknowledge(keys, 'lb-1', 6, lease))).toBe(false);
  const another = await comes(9);
  expect(await (await comes(7))()).toBe(true);
  expect(await run(acknowledge(keys, 'lb-1', 8, lease))).toBe(true);
  view = await viewNow();
  expect(view.acks.get('lb-1')?.value).toBe(8);
  expect(view.liveAgents.get('lb-1')).toMatchObject({ lease, value: { identity: 'one' } });
  // Another one of this name saw no sign of life when it looked.
  expect(await another()).toBe(false);
  expect(putAway(keys, view, 'lb-1')).toBeUndefined();

  await client.kv.remove(keys.liveAgent('lb-1'));
  const away = putAway(keys, await viewNow(), 'lb-1');
  if (away === undefined) throw new Error('it can be put away');
  // It acknowledged since: it is there.
  await run({ when: [], success: [put(keys.ack('lb-1'), acknowledgement(8))] });
  expect(await run(away)).toBe(false);
  const again = putAway(keys, await viewNow(), 'lb-1');
  if (again === undefined) throw new Error('it can be put away');
  expect(await run(again)).toBe(true);
  view = await viewNow();
  expect(view.acks.size).toBe(0);
  expect(view.stale.get('lb-1')?.value).toBe(8);
  expect(await run(acknowledge(keys, 'lb-1', 9, lease))).toBe(false);
  expect(await (await comes(9))()).toBe(false);
});

test('an announcement is of the agent whose name it was seen to be', async () => {
  await clear();
  const before = await nameSeen();
  expect(await announces(5)).toBe(true);
  const owner = { identity: 'two', host: '' };
  const late = announce(keys, { agent: 'lb-1', owner, holds: 9, seen: before });
  expect(await run(late)).toBe(false);
  expect((await viewNow()).acks.get('lb-1')?.value).toBe(5);
});

test('an agent that is awake is not put away', async () => {
  await clear();
  await announces(5);
  const away = putAway(keys, await viewNow(), 'lb-1');
  if (away === undefined) throw new Error('it looks as if it could be put away');
  await client.kv.put(keys.liveAgent('lb-1'), JSON.stringify({ identity: 'one' }));
  expect(await run(away)).toBe(false);
});

test('nobody waits for an agent that was counted out, or left', async () => {
  await clear();
  await announces(5);
  await client.kv.put(keys.liveAgent('lb-1'), JSON.stringify({ identity: 'one' }));
  await run(countOut(keys, 'lb-1', { by: 'me', why: 'it burns' }));
  const view = await viewNow();
  expect(view.acks.size + view.stale.size + view.liveAgents.size).toBe(0);
  expect(view.countedOut.get('lb-1')?.value).toEqual({ by: 'me', why: 'it burns' });
  await announces(5);
  expect((await viewNow()).countedOut.size).toBe(0);
  await run({ when: [], success: leave(keys, 'lb-1') });
  expect((await client.kv.list(keys.root)).entries).toEqual([]);
});

test('a mark keeps a config from quarantine, and only that mark is taken back', async () => {
  await clear();
  const key = keys.use('web', 1, 'web-1');
  const quarantine = nobodyIssues(keys, 'web', 1);
  expect(await holds(quarantine)).toBe(true);
  await client.kv.put(key, JSON.stringify({ identity: 'a' }));
  await client.kv.put(keys.use('web', 10, 'web-1'), JSON.stringify({ identity: 'a' }));
  expect(await holds(quarantine)).toBe(false);
  const late = unmark(await seen(key));
  await client.kv.put(key, JSON.stringify({ identity: 'a', since: 1 }));
  expect(await run(late)).toBe(false);
  expect(await holds(quarantine)).toBe(false);
  expect(await run(unmark(await seen(key)))).toBe(true);
  expect(await holds(quarantine)).toBe(true);
  expect(await run({ when: [], success: [remove(key)] })).toBe(true);
});

function granted(): Promise<string> {
  return new Promise((resolve) => {
    client.lease({ ttl: 60 }, { onGranted: resolve });
  });
}
