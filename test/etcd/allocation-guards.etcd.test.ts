// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CidecarError } from '../../core/index.js';
import { type EtcdClient, type Transaction, withPrefix } from '../../registry/etcd/client/index.js';
import {
  type ChainOn,
  Clocks,
  chainLength,
  chainTransaction,
  comeToLife,
  decideAllocation,
  decideReclaim,
  decideRest,
  FleetPicture,
  type FleetView,
  freeTransaction,
  type Grant,
  grantTransaction,
  IdUsage,
  reclaimTransaction,
  register,
  takeOver,
} from '../../registry/etcd/fleet/index.js';
import { assembled, readDesired, stateOf } from '../../registry/etcd/index.js';
import { acknowledgement, Keys, valueText } from '../../registry/etcd/layout/index.js';
import { keyring } from '../../registry/etcd/testing/documents.js';
import type { Pool } from '../../registry/index.js';
import { putPool } from './fleet-document.js';
import { Members } from './members.js';

// Each transaction of allocation is decided, then one thing that it was decided on changes, and it
// is not done. The names are those of docs/etcd-safety.md.

const keys = new Keys('/cidecar');
const TERM = { pool: 'web' };

let members: Members;
let client: EtcdClient;
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());
beforeEach(async () => {
  await client.kv.remove(withPrefix(keys.root));
  await putPool(client, { configs: ['minting'], allocation: { hold: 1, connectionAge: 0 } });
});

const put = (key: string, value: unknown) =>
  client.kv.put(key, typeof value === 'string' ? value : valueText(value));
const run = async (transaction: Transaction) => (await client.kv.txn(transaction)).held;

interface Now {
  readonly pool: Pool;
  readonly desiredRevision: number;
  readonly view: FleetView;
  readonly usage: IdUsage;
}

async function now(): Promise<Now> {
  const { entries, revision } = await readDesired(client, keys);
  const state = stateOf(assembled(entries.values(), { keys, keyring: keyring() }));
  if (state instanceof CidecarError) throw state;
  const [pool] = state.pools;
  if (pool === undefined) throw new Error('there is a pool');
  const picture = new FleetPicture(keys);
  picture.begin(revision, (await client.kv.list(keys.root, { revision })).entries);
  const usage = new IdUsage();
  usage.update(pool);
  const desiredRevision = entries.get(keys.revision)?.modRevision ?? 0;
  return { pool, desiredRevision, view: picture.view, usage };
}

async function controller(): Promise<void> {
  expect(await run(takeOver(keys, 'web', 'lb-1', '0'))).toBe(true);
}

function onOf({ view, desiredRevision }: Now) {
  const createRevision = view.controllers.get('web')?.createRevision ?? 0;
  const term = { ...TERM, createRevision };
  return { term, desiredRevision, viewRevision: view.revision, by: 'test' };
}

const request = { address: '10.0.1.1', identity: 'one' };

async function decided(): Promise<{ now: Now; grants: readonly Grant[] }> {
  const present = await now();
  const { grants } = decideAllocation({
    ...present,
    elsewhere: new Set<string>(),
    vips: new Set<string>(),
  });
  return { now: present, grants };
}

async function grant(): Promise<Transaction> {
  const { now: present, grants } = await decided();
  expect(grants).toHaveLength(1);
  return grantTransaction(keys, 'web', grants, onOf(present));
}

async function chain(): Promise<Transaction> {
  const { now: present, grants } = await decided();
  const [first] = grants;
  if (first === undefined) throw new Error('there is a grant');
  const seen = [keys.pool('web'), keys.config('web', 0), keys.server('web', 'web-1')];
  const on: ChainOn = {
    pool: 'web',
    configs: present.pool.configs,
    seen: await Promise.all(
      seen.map(async (key) => ({ key, modRevision: (await client.kv.get(key))?.modRevision ?? 0 })),
    ),
    viewRevision: present.view.revision,
    elsewhere: [keys.server('other', 'web-1')],
    by: 'test',
  };
  const length = chainLength(keys, on, first);
  expect(length).toBeGreaterThan(20);
  const others = Array.from({ length: length - 1 }, (_, i): Grant => {
    const hexes = [(i + 2).toString(16).padStart(6, '0')];
    return { ...first, ids: first.ids.map(({ config }) => ({ config, hexes })) };
  });
  return chainTransaction(keys, on, [first, ...others]);
}

async function grantedTo(server: string): Promise<string[]> {
  const { entries } = await client.kv.list(keys.ids('web'));
  return entries.flatMap(({ key, value }) =>
    JSON.parse(value.toString()).server === server ? [key.slice(keys.ids('web').length)] : [],
  );
}

/** Another one who got the ID that is handed out next. */
const taken = async () => {
  await put(keys.id('web', 0, '000001'), { server: 'web-9', allocated: true });
  await put(keys.revision, { by: 'another' });
};

describe.each([
  ['controller', grant],
  ['chain', chain],
])('handing out by the %s', (who, make) => {
  beforeEach(async () => {
    await put(keys.request('web', 'web-1'), request);
    if (who === 'controller') await controller();
  });

  test('is done where nothing changed', async () => {
    expect(await run(await make())).toBe(true);
    expect(await grantedTo('web-1')).toEqual(['0/000001']);
    const { view } = await now();
    expect(view.requests.get('web/web-1')?.value.granted).toEqual({ 0: ['000001'] });
  });

  test('is done once, however often it is sent (GRANT)', async () => {
    const transaction = await make();
    expect(await run(transaction)).toBe(true);
    expect(await run(transaction)).toBe(false);
    expect(await run(await make().catch(() => transaction))).toBe(false);
    expect(await grantedTo('web-1')).toEqual(['0/000001']);
  });

  test('gives nobody what another one has by now (ABSENT)', async () => {
    const transaction = await make();
    await taken();
    const done = await run(transaction);
    expect(await grantedTo('web-9')).toEqual(['0/000001']);
    // The chain takes the next one.
    expect(await grantedTo('web-1')).toEqual(done ? ['0/000002'] : []);
    expect(done).toBe(who === 'chain');
  });

  test.each([
    ['AT_REST', () => put(keys.restId('web', 0, '000001'), { server: 'web-9' })],
    ['AT_REST, pinned', () => put(keys.pinnedId('web', 0, '000001'), {})],
    ['GRANT', () => put(keys.request('web', 'web-1'), { ...request, granted: { 0: ['aa'] } })],
    ['IDENTITY', () => put(keys.request('web', 'web-1'), { ...request, identity: 'two' })],
    [
      'POOL_SEEN',
      () =>
        putPool(client, {
          configs: ['minting'],
          allocation: { first: 5, hold: 1, connectionAge: 0 },
        }),
    ],
    [
      'CONFIG_SEEN',
      () => putPool(client, { configs: ['staged'], allocation: { hold: 1, connectionAge: 0 } }),
    ],
  ])('is not done where something changed: %s', async (_, change) => {
    const transaction = await make();
    await change();
    expect(await run(transaction)).toBe(false);
    expect(await grantedTo('web-1')).toEqual([]);
  });
});

test('a controller whose term is over hands out nothing (CONTROLLER)', async () => {
  await put(keys.request('web', 'web-1'), request);
  await controller();
  const transaction = await grant();
  await client.kv.remove(keys.controller('web'));
  expect(await run(transaction)).toBe(false);
  await controller();
  expect(await run(transaction)).toBe(false);
  expect(await run(await grant())).toBe(true);
});

test('nobody helps himself while there is a controller, or while another pool has the name', async () => {
  await put(keys.request('web', 'web-1'), request);
  const first = await chain();
  await controller();
  expect(await run(first)).toBe(false);
  await client.kv.remove(keys.controller('web'));
  const second = await chain();
  await put(keys.server('other', 'web-1'), { address: '10.0.1.1' });
  expect(await run(second)).toBe(false);
  await client.kv.remove(keys.server('other', 'web-1'));
  expect(await run(await chain())).toBe(true);
});

test('a run of the document inside of the range is one key for each ID (RUN_RANGE)', async () => {
  const servers = { 'web-8': ['000001', '000002', '000003'] };
  await put(keys.request('web', 'web-1'), request);
  const early = await chain();
  await putPool(client, {
    configs: ['minting'],
    servers,
    allocation: { hold: 1, connectionAge: 0 },
  });
  expect(await grantedTo('web-8')).toEqual(['0/000001', '0/000002', '0/000003']);
  // Decided before the run was there.
  expect(await run(early)).toBe(true);
  expect(await grantedTo('web-1')).toEqual(['0/000004']);
  const outside = { 'web-8': ['0000f1', '0000f2', '0000f3'] };
  const allocation = { last: 0xf1, hold: 1, connectionAge: 0 };
  await putPool(client, { configs: ['minting'], servers: outside, allocation });
  expect(await grantedTo('web-8')).toEqual(['0/0000f1', '0/0000f2']);
});

describe('taking back after the hold', () => {
  async function reclaim(): Promise<Transaction> {
    let time = 0;
    const clocks = new Clocks(() => time);
    const present = await now();
    decideReclaim(present, clocks);
    time = 10_000;
    const due = decideReclaim(present, clocks);
    if (due === undefined) throw new Error('its hold is over');
    return reclaimTransaction(keys, { ...due, registered: true }, onOf(present));
  }

  beforeEach(async () => {
    await put(keys.request('web', 'web-1'), { ...request, hold: 1 });
    await controller();
    expect(await run(await grant())).toBe(true);
    await put(keys.use('web', 0, 'web-1'), { identity: 'one' });
  });

  test('puts the IDs to rest, and takes server, request and marks away', async () => {
    expect(await run(await reclaim())).toBe(true);
    const { view, pool } = await now();
    expect(pool.servers).toEqual([]);
    expect(view.requests.size + view.uses.size).toBe(0);
    expect(view.rests.get('web/0/000001')?.value.server).toBe('web-1');
  });

  test.each([
    ['RETURN_SEEN', () => put(keys.request('web', 'web-1'), { ...request, hold: 1 })],
    ['alive', () => put(keys.liveServer('web', 'web-1'), { identity: 'one' })],
    ['CONTROLLER', () => client.kv.remove(keys.controller('web'))],
    [
      'the hold',
      () =>
        putPool(client, {
          configs: ['minting'],
          servers: { 'web-1': ['000001'] },
          allocation: { hold: 99, connectionAge: 0 },
        }),
    ],
  ])('does nothing where something changed: %s', async (_, change) => {
    const transaction = await reclaim();
    await change();
    expect(await run(transaction)).toBe(false);
    expect(await grantedTo('web-1')).toEqual(['0/000001']);
  });
});

describe('freeing', () => {
  async function freed(): Promise<Transaction> {
    const present = await now();
    const clocks = new Clocks(() => 0);
    const { free } = decideRest(present.pool, present.view, clocks);
    expect(free).toHaveLength(1);
    return freeTransaction(keys, present.view, free, onOf(present));
  }
  const atRest = async () => (await client.kv.list(keys.rest('web'))).entries.length;

  beforeEach(async () => {
    await controller();
    await put(keys.restId('web', 0, '000001'), { server: 'web-1' });
    const { view } = await now();
    await put(keys.ack('lb-1'), acknowledgement(view.revision));
    await put(keys.use('web', 0, 'web-1'), { identity: 'one' });
  });

  test('is done where nothing changed', async () => {
    expect(await run(await freed())).toBe(true);
    expect(await atRest()).toBe(0);
  });

  test.each([
    ['REMOVAL_ACKED', () => put(keys.ack('lb-2'), acknowledgement(1))],
    ['STALE_ACKED', () => put(keys.stale('lb-2'), acknowledgement(1))],
    [
      'REST_SEEN',
      async () => {
        await client.kv.remove(keys.restId('web', 0, '000001'));
        await put(keys.restId('web', 0, '000001'), { server: 'web-2' });
        await put(keys.ack('lb-1'), acknowledgement(2 ** 40));
      },
    ],
    ['OWNER_STOPPED', () => put(keys.use('web', 0, 'web-1'), { identity: 'two' })],
    ['AGE', () => putPool(client, { configs: ['minting'], allocation: { connectionAge: 9 } })],
    ['CONTROLLER', () => client.kv.remove(keys.controller('web'))],
  ])('is not done where something changed: %s', async (_, change) => {
    const transaction = await freed();
    await change();
    expect(await run(transaction)).toBe(false);
    expect(await atRest()).toBe(1);
  });

  test('compares stale agents also where there are some (STALE_ACKED)', async () => {
    await put(keys.stale('lb-2'), acknowledgement(2 ** 40));
    const transaction = await freed();
    await put(keys.stale('lb-3'), acknowledgement(1));
    expect(await run(transaction)).toBe(false);
  });
});

test('a sidecar comes to life only by the request that it read, and rewrites it', async () => {
  await put(keys.request('web', 'web-1'), request);
  const of = { ...TERM, server: 'web-1', identity: 'one' };
  const sign = { value: { identity: 'one', issuing: null, waitingFor: [], older: {} }, lease: '0' };
  const seen = async () => {
    const { view } = await now();
    const found = view.requests.get('web/web-1');
    if (found === undefined) throw new Error('there is a request');
    return { request: found, live: view.liveServers.get('web/web-1') };
  };
  const before = await seen();
  expect(await run(comeToLife(keys, of, before, sign))).toBe(true);
  const after = await seen();
  expect(after.request.modRevision).toBeGreaterThan(before.request.modRevision);
  // RETURN_OWNS: by a request that others rewrote it does not return.
  const late = comeToLife(keys, of, after, sign);
  await client.kv.remove(keys.request('web', 'web-1'));
  expect(await run(late)).toBe(false);
});

test('a registration does not overwrite that of another (IDENTITY)', async () => {
  const of = { ...TERM, server: 'web-1', identity: 'two' };
  const nothing = { request: undefined, live: undefined };
  const transaction = register(keys, of, nothing, { address: '10.0.1.2', identity: 'two' });
  await put(keys.request('web', 'web-1'), request);
  expect(await run(transaction)).toBe(false);
  await client.kv.remove(keys.request('web', 'web-1'));
  await put(keys.liveServer('web', 'web-1'), { identity: 'one' });
  expect(await run(transaction)).toBe(false);
});
