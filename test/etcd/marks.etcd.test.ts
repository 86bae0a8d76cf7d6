// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { fromHex } from '../../core/index.js';
import { type EtcdClient, put, remove, withPrefix } from '../../registry/etcd/client/index.js';
import type { Wanted } from '../../registry/etcd/fleet/index.js';
import { acknowledgement, Keys, valueText } from '../../registry/etcd/layout/index.js';
import type { PoolConfig } from '../../registry/index.js';
import { Marks } from '../../sidecar/fleet/marks.js';
import { ownKeys } from '../../sidecar/fleet/own-keys.js';
import { Members } from './members.js';

const keys = new Keys('/marks');
const PLACE = { pool: 'web', server: 'web-1' };
let members: Members;
let client: EtcdClient;
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());
afterEach(() => client.kv.remove(withPrefix(keys.root)));

const marks = () => new Marks({ client, keys, ...PLACE, identity: 'me' });

/** Puts a config and runs of IDs: by first ID, who owns it and how many there are. */
async function putIds(runs: Readonly<Record<string, readonly [string, number]>>): Promise<number> {
  await client.kv.put(keys.config('web', 1), '{}');
  let revision = 0;
  for (const [hex, [server, count]] of Object.entries(runs)) {
    revision = await client.kv.put(keys.id('web', 1, hex), valueText({ server, count }));
  }
  return revision;
}

function own(revision: number, ...ids: string[]): Promise<Wanted | undefined> {
  // Of the config only its ID is looked at.
  const config = { id: 1 } as PoolConfig;
  const serverIds = ids.map((id) => fromHex(id, 'ID'));
  return ownKeys({ config, serverIds }, { client, keys, ...PLACE, revision });
}

test('the keys of its own IDs are found, those of runs too', async () => {
  const revision = await putIds({
    '0010': ['web-1', 1],
    '0020': ['web-1', 16],
    '0040': ['web-2', 16],
    '0050': ['web-1', 1],
  });
  const found = await own(revision, '0010', '0020', '002f', '0050');
  expect(found?.config).toMatchObject({ key: keys.config('web', 1) });
  expect(found?.ids.map(({ key }) => key)).toEqual(
    ['0010', '0020', '0050'].map((hex) => keys.id('web', 1, hex)),
  );
  // Not there, after a run, and of another server.
  for (const hex of ['0000', '0011', '0030', '0040', '004f', '0051']) {
    expect(await own(revision, hex)).toBeUndefined();
  }
  // Written after what the sidecar has seen.
  expect(await own(revision - 1, '0010')).toBeDefined();
  expect(await own(revision - 1, '0050')).toBeUndefined();
  await client.kv.put(keys.config('web', 1), '{}');
  expect(await own(revision, '0010')).toBeUndefined();
});

test('a mark is put only if all agents hold what is wanted, as it was seen', async () => {
  const revision = await putIds({ '0010': ['web-1', 1] });
  const wanted = await own(revision, '0010');
  if (wanted === undefined) throw new Error('the ID is its own');
  const mine = marks();
  const key = keys.use('web', 1, 'web-1');
  expect(await mine.put(1, wanted, revision)).toBe(false);
  await client.kv.put(keys.ack('lb-1'), acknowledgement(revision - 1));
  expect(await mine.put(1, wanted, revision)).toBe(false);
  expect(await client.kv.get(key)).toBeUndefined();
  await client.kv.put(keys.ack('lb-1'), acknowledgement(revision));
  expect(await mine.put(1, wanted, revision)).toBe(true);
  const put = JSON.parse((await client.kv.get(key))?.value.toString() ?? '{}');
  expect(put).toMatchObject({ identity: 'me', since: revision });

  await client.kv.put(keys.id('web', 1, '0010'), valueText({ server: 'web-2' }));
  await client.kv.put(keys.ack('lb-1'), acknowledgement(revision + 100));
  expect(await mine.put(1, wanted, revision)).toBe(false);
});

/** 250 IDs, which all agents hold: the conditions of three transactions. */
async function manyIds() {
  const hexes = Array.from({ length: 250 }, (_, i) => (4 * i).toString(16).padStart(4, '0'));
  await client.kv.put(keys.config('web', 1), '{}');
  let revision = 0;
  for (let i = 0; i < hexes.length; i += 100) {
    const success = hexes
      .slice(i, i + 100)
      .map((hex) => put(keys.id('web', 1, hex), valueText({ server: 'web-1' })));
    success.push(put(keys.revision, '{}'));
    revision = (await client.kv.txn({ when: [], success })).revision;
  }
  await client.kv.put(keys.ack('lb-1'), acknowledgement(revision + 100));
  const wanted = await own(revision, ...hexes);
  expect(wanted?.ids).toHaveLength(250);
  if (wanted === undefined) throw new Error('the IDs are its own');
  return { hexes, revision, wanted };
}

test('an ID that is taken away between two parts of the gate keeps the mark from being put', async () => {
  const { hexes, revision, wanted } = await manyIds();
  const cut = members.client();
  const txn = cut.kv.txn.bind(cut.kv);
  const parts = vi.spyOn(cut.kv, 'txn').mockImplementationOnce(async (...first) => {
    const result = await txn(...first);
    const removal = [remove(keys.id('web', 1, hexes[0] ?? '')), put(keys.revision, '{}')];
    await client.kv.txn({ when: [], success: removal });
    return result;
  });
  const mine = new Marks({ client: cut, keys, ...PLACE, identity: 'me' });
  expect(await mine.put(1, wanted, revision)).toBe(false);
  expect(parts).toHaveBeenCalled();
  expect(await client.kv.get(keys.use('web', 1, 'web-1'))).toBeUndefined();
});

test('each of many IDs is compared', async () => {
  const { hexes, revision, wanted } = await manyIds();
  expect(await marks().put(1, wanted, revision)).toBe(true);
  for (const hex of [hexes[0], hexes[249]]) {
    await client.kv.put(keys.id('web', 1, hex ?? ''), valueText({ server: 'web-1' }));
    expect(await marks().put(1, wanted, revision)).toBe(false);
    const again = await own(revision + 100, ...hexes);
    if (again === undefined) throw new Error('the IDs are its own');
    expect(await marks().put(1, again, revision)).toBe(true);
    Object.assign(wanted, again);
  }
});

test('only the mark that is known is taken back', async () => {
  const mine = marks();
  const key = keys.use('web', 2, 'web-1');
  await client.kv.put(key, valueText({ identity: 'me' }));
  await client.kv.put(keys.use('web', 2, 'web-2'), valueText({ identity: 'other' }));
  await mine.read();
  expect(mine.configs).toEqual([2]);
  await client.kv.put(key, valueText({ identity: 'me', since: 5 }));
  expect(await mine.remove(2)).toBe(false);
  expect(await client.kv.get(key)).toBeDefined();
  await mine.read();
  expect(await mine.remove(2)).toBe(true);
  expect(await mine.remove(2)).toBe(true);
  const left = await client.kv.list(keys.uses('web'));
  expect(left.entries.map((each) => each.key)).toEqual([keys.use('web', 2, 'web-2')]);
});
