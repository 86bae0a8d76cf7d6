// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { absent, type EtcdClient, put, withPrefix } from '../../registry/etcd/client/index.js';
import {
  type Intent,
  RotationLoop,
  type RotationRecord,
  recordText,
  withIntent,
} from '../../registry/etcd/fleet/index.js';
import { Keys, transaction, valueText } from '../../registry/etcd/layout/index.js';
import { keyring } from '../../registry/etcd/testing/documents.js';
import { putDocument } from './fleet-document.js';
import { MemberProxy } from './member-proxy.js';
import { Members } from './members.js';
import { PlayedFleet } from './played-fleet.js';
import { until } from './until.js';

const keys = new Keys('/cidecar');
const SERVERS = { 'web-1': ['0a0b0c'], 'web-2': ['0a0b0d'] };
const LONG = 3_600;

/** A host that can be the controller of the pool. */
interface Host {
  readonly client: EtcdClient;
  readonly loop: RotationLoop;
  term: number | undefined;
}

let members: Members;
let proxy: MemberProxy;
let client: EtcdClient;
let fleet: PlayedFleet;
let hosts: Host[];
/** Seconds that the clocks of all hosts are ahead. */
let ahead: number;
beforeAll(async () => {
  members = await Members.start();
  proxy = await MemberProxy.before(members.member(0).endpoint);
  client = members.client();
});
afterAll(async () => {
  await proxy?.close();
  await members?.dispose();
});

beforeEach(async () => {
  hosts = [];
  ahead = 0;
  await putDocument(client, { configs: ['minting'], servers: SERVERS });
  await changePool({ allocation: { first: 1, last: 9, connectionAge: LONG } });
  fleet = new PlayedFleet(client, keys, ['lb-1', 'lb-2'], Object.keys(SERVERS));
  await until('config 0 is in use', async () => (await view()).fleet.uses.size === 2);
});
afterEach(async () => {
  members.resumeAll();
  proxy.mend();
  await fleet.close();
  await Promise.all(hosts.map(({ loop }) => loop.close()));
  await client.kv.remove(withPrefix(keys.root));
});

const view = () => fleet.view();
const record = async () => (await view()).record?.value;
const step = async () => (await record())?.step;
async function states(): Promise<Record<string, string>> {
  const { configs } = await view();
  return Object.fromEntries([...configs].map(([id, { value }]) => [id, value.shape.state]));
}
const at = (name: RotationRecord['step']) =>
  until(`the rotation is ${name}`, async () => (await step()) === name);

async function changePool(more: object): Promise<void> {
  const key = keys.pool('web');
  const found = await client.kv.get(key);
  const value = { ...JSON.parse(found?.value.toString() ?? ''), ...more };
  await client.kv.txn(transaction(keys, 'test', { success: [put(key, valueText(value))] }));
}

async function want(intent: Intent): Promise<void> {
  for (;;) {
    const found = (await view()).record;
    const wanted = withIntent(found?.value, intent, 'somebody');
    if (wanted === undefined) return;
    const value = recordText({ ...wanted, stamp: randomUUID() });
    const mark = { key: keys.rotation('web'), value, before: found?.modRevision ?? 0 };
    if ((await client.transact({ what: 'intent', mark, when: [], success: [] })).done) return;
  }
}
const rotate = (asked = {}) =>
  want({
    kind: 'begin',
    id: randomUUID(),
    asked: { key: true, fields: {}, ...asked },
    why: 'test',
  });

/** Starts a host, and makes it the controller where there is none. */
async function host(name: string, own = members.client()): Promise<Host> {
  const opens = keyring();
  const started: Host = {
    client: own,
    term: undefined,
    loop: new RotationLoop({
      ...{ client: own, keys, keyring: opens, pool: 'web', by: name },
      sealNewKey: (purpose) => opens.sealNewKey(purpose),
      controller: () => started.term,
      log: { info: () => {}, warn: () => {} },
      now: () => performance.now() + ahead * 1000,
      ...{ quietSeconds: 1, saveEvery: 600, lookEveryMs: 20, readAgainMs: 50 },
    }),
  };
  hosts.push(started);
  const key = keys.controller('web');
  const done = await client.kv.txn({
    when: [absent(key)],
    success: [put(key, valueText({ agent: name }))],
  });
  started.term = done.held ? done.revision : undefined;
  return started;
}

/** Kills the controller in the middle of whatever it does, and has another host take over. */
async function takeOver(name: string): Promise<Host> {
  const [last] = hosts.slice(-1);
  last?.client.close();
  await last?.loop.close();
  await client.kv.remove(keys.controller('web'));
  return host(name);
}

/** The clock of the last host goes: what passes from now on counts. */
const isResting = () =>
  until('it rests', () => hosts.at(-1)?.loop.waits.some(({ kind }) => kind === 'age') === true);

/** Time passes until the rotation has come to a step. */
const passUntil = (name: RotationRecord['step']) =>
  until(`the rotation is ${name}`, async () => {
    if ((await step()) === 'over') ahead += 600;
    return (await step()) === name;
  });

async function rested(): Promise<void> {
  await isResting();
  ahead += LONG + 1;
  await at('over');
}

test('another controller takes over at each step', async () => {
  fleet.lagging.add('lb-2');
  await rotate();
  await host('lb-1');
  await takeOver('lb-2');
  await at('staged');
  await takeOver('lb-1');
  await until('IDs are there', async () => {
    return (await client.kv.list(keys.ids('web', 1))).entries.length === 2;
  });
  await takeOver('lb-2');
  expect(await states()).toEqual({ 0: 'minting', 1: 'staged' });
  fleet.holding.add('web-2');
  fleet.lagging.clear();
  await at('minting');
  await takeOver('lb-1');
  await until('web-1 has left config 0', async () => {
    return (await view()).fleet.uses.in('web/0').size === 1;
  });
  expect(await states()).toEqual({ 0: 'retiring', 1: 'minting' });
  fleet.holding.clear();
  await at('quarantined');
  // A clock that is saved is not begun anew.
  await isResting();
  ahead += 601;
  await until('it is saved', async () => ((await record())?.clock?.seconds ?? 0) >= 600);
  await takeOver('lb-2');
  expect((await record())?.clock?.seconds).toBeLessThan(LONG);
  await rested();
  expect(await states()).toEqual({ 1: 'minting' });
  expect((await record())?.outcome).toBe('rotated');
  expect((await client.kv.list(keys.ids('web', 0))).entries).toEqual([]);
  const { entries } = await client.kv.list(keys.events);
  const said = entries.map(({ value }) => JSON.parse(value.toString()));
  expect(said.filter(({ what }) => what === 'rotate').length).toBeGreaterThanOrEqual(5);
});

describe('an abort', () => {
  const isBack = async () => {
    await at('quarantined');
    expect(await states()).toEqual({ 0: 'minting', 1: 'quarantined' });
    await rested();
    expect(await states()).toEqual({ 0: 'minting' });
    expect((await record())?.outcome).toBe('aborted');
  };

  test('of what was only asked for leaves nothing', async () => {
    await rotate();
    await want({ kind: 'abort', why: 'test' });
    await host('lb-1');
    await at('over');
    expect(await states()).toEqual({ 0: 'minting' });
  });

  test('of a staged config has it rest', async () => {
    fleet.lagging.add('lb-2');
    await rotate();
    await host('lb-1');
    await at('staged');
    await want({ kind: 'abort', why: 'test' });
    await at('quarantined');
    fleet.lagging.clear();
    await isBack();
  });

  test('of a staged config that somebody uses withdraws it first', async () => {
    fleet.lagging.add('lb-2');
    await rotate();
    await host('lb-1');
    await at('staged');
    fleet.holding.add('web-1');
    await client.kv.put(keys.use('web', 1, 'web-1'), valueText({ identity: 'web-1' }));
    await want({ kind: 'abort', why: 'test' });
    await at('withdrawn');
    fleet.lagging.clear();
    fleet.holding.clear();
    await isBack();
  });

  test('of a minting config exchanges the two again', async () => {
    fleet.holding.add('web-2');
    await rotate();
    await host('lb-1');
    await at('minting');
    await want({ kind: 'abort', why: 'test' });
    await at('withdrawn');
    fleet.holding.clear();
    await isBack();
  });

  test('takes the former config out of its quarantine', async () => {
    await rotate();
    await host('lb-1');
    await at('quarantined');
    fleet.holding.add('web-2');
    await want({ kind: 'abort', why: 'test' });
    await at('withdrawn');
    fleet.holding.clear();
    await isBack();
  });
});

test('an answer that is lost does not take a step twice', async () => {
  const far = members.client({ endpoints: [proxy.endpoint] });
  fleet.lagging.add('lb-2');
  await rotate();
  await host('lb-1', far);
  await at('staged');
  for (const next of ['minting', 'quarantined'] as const) {
    proxy.loseAnswers();
    fleet.lagging.clear();
    // What it knows already may be enough; else it has to connect anew.
    await new Promise((resolve) => setTimeout(resolve, 200));
    proxy.mend();
    await at(next);
  }
  await rested();
  expect(await states()).toEqual({ 1: 'minting' });
  const version = (await client.kv.get(keys.rotation('web')))?.version;
  expect(version).toBeLessThan(12);
});

test('etcd that stops for a while holds the rotation up, and no more', async () => {
  fleet.holding.add('web-2');
  await rotate();
  await host('lb-1');
  await at('minting');
  members.pauseAll();
  fleet.holding.clear();
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  members.resumeAll();
  await at('quarantined');
  await rested();
  expect(await states()).toEqual({ 1: 'minting' });
});

test('pauses, goes on, and records what was forced', async () => {
  fleet.holding.add('web-2');
  await rotate();
  const { loop } = await host('lb-1');
  await at('minting');
  await want({ kind: 'pause', why: 'lunch' });
  fleet.holding.clear();
  await until('it says so', () => loop.waits.some(({ kind }) => kind === 'paused'));
  fleet.holding.add('web-2');
  expect(await step()).toBe('minting');
  await client.kv.put(keys.use('web', 0, 'web-9'), valueText({ identity: 'gone' }));
  await want({ kind: 'resume' });
  await until('web-9 is waited for', () =>
    loop.waits.some(
      (wait) => wait.kind === 'sidecars' && wait.servers.some(({ server }) => server === 'web-9'),
    ),
  );
  await want({ kind: 'force', step: 'quarantine', why: 'it burned' });
  await at('quarantined');
  expect((await view()).fleet.uses.in('web/0').size).toBe(0);
  await want({ kind: 'force', step: 'remove', why: 'no time' });
  await at('over');
  expect((await record())?.forced).toEqual([
    { by: 'somebody', step: 'quarantine', why: 'it burned' },
    { by: 'somebody', step: 'remove', why: 'no time' },
  ]);
});

test('a balancer that is away holds up the removal, until it was counted out', async () => {
  await client.kv.put(keys.stale('lb-9'), '00000000000000000001');
  await rotate();
  const { loop } = await host('lb-1');
  await at('quarantined');
  await isResting();
  ahead += LONG + 1;
  await until('it is waited for', () =>
    loop.waits.some(
      (wait) => wait.kind === 'balancers' && wait.agents.some(({ agent }) => agent === 'lb-9'),
    ),
  );
  expect(await states()).toEqual({ 0: 'quarantined', 1: 'minting' });
  await client.kv.remove(keys.stale('lb-9'));
  await at('over');
});

test('says why it is refused, and begins when the reason is gone', async () => {
  await host('lb-1');
  await rotate({ id: 0 });
  await until('it says why', async () => (await record())?.refused !== undefined);
  expect((await record())?.refused).toContain('config ID 0 is taken');
  await want({ kind: 'abort', why: '' });
  await at('over');
  await rotate({ fields: { serverIdLength: 2, nonceLength: 4 } });
  await until('it says why', async () => (await record())?.refused !== undefined);
  expect(await states()).toEqual({ 0: 'minting' });
});

test('begins by itself, by time and by nonces', async () => {
  await changePool({ rotation: { rotateEvery: 3_600, rotateAtNoncesLeft: 1_000 } });
  await host('lb-1');
  await at('over');
  expect(await states()).toEqual({ 0: 'minting' });
  await passUntil('quarantined');
  expect((await record())?.why).toContain('rotateEvery 3600');
  await rested();
  // Nonces that run out within the hour begin none.
  await client.kv.put(
    keys.liveServer('web', 'web-1'),
    valueText({ identity: 'web-1', issuing: 1, noncesLeft: 900 }),
  );
  await changePool({ rotation: { rotateAtNoncesLeft: 1_000 } });
  await passUntil('quarantined');
  expect((await record())?.why).toContain('web-1 has 900 nonces left');
});
