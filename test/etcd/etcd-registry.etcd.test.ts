// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { CidecarError } from '../../core/index.js';
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import { put, remove } from '../../registry/etcd/client/index.js';
import { Keys, transaction } from '../../registry/etcd/layout/index.js';
import { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import { stateFromEtcdSource } from '../../registry/etcd/store/etcd-source.js';
import { Keyring } from '../../registry/etcd/store/keyring.js';
import {
  entriesOfDocument,
  keyFile,
  keyring,
  SECRETS,
} from '../../registry/etcd/testing/documents.js';
import type { DesiredState, DocumentWarning, StateSource } from '../../registry/index.js';
import { Members } from './members.js';
import { OctetCounter } from './octet-counter.js';
import { until } from './until.js';

const keys = new Keys();
let members: Members;
let client: EtcdClient;
const open: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  await client.kv.remove({ key: keys.root, end: Buffer.from(`${keys.root.slice(0, -1)}0`) });
});

const SERVERS = 2000;

function documentOf(servers: number, more: object = {}): string {
  const list = Array.from({ length: servers }, (_, at) => ({
    name: `web-${at}`,
    address: `10.1.${at >> 8}.${at & 255}`,
    serverIds: { '0': [(at + 1).toString(16).padStart(6, '0')] },
  }));
  const config = { id: 0, scheme: 'quic-lb', serverIdLength: 3, nonceLength: 8, state: 'minting' };
  const vips = [{ address: '198.51.100.1', port: 443, protocol: 'udp' }];
  const configs = [{ ...config, keyFile: 'web-0.key' }];
  return JSON.stringify({ pools: { web: { vips, configs, servers: list } }, ...more });
}

async function fill(text: string): Promise<void> {
  const entries = [...entriesOfDocument(text, keys)];
  for (let at = 0; at < entries.length; at += 100) {
    const success = entries.slice(at, at + 100).map(([key, value]) => put(key, value));
    await client.kv.txn({ when: [], success });
  }
}

/** Changes keys as one transaction, as every program of ours does. */
async function change(...entries: [key: string, value: string | undefined][]): Promise<number> {
  const success = entries.map(([key, value]) =>
    value === undefined ? remove(key) : put(key, value),
  );
  return (await client.kv.txn(transaction(keys, 'test', { success }))).revision;
}

interface Followed {
  readonly registry: EtcdRegistry;
  readonly states: DesiredState[];
  readonly errors: unknown[];
  readonly sources: StateSource[];
}

async function follow(
  options: { endpoints?: string[]; keyring?: Keyring } = {},
): Promise<Followed> {
  const { endpoints = members.endpoints } = options;
  const sources: StateSource[] = [];
  const registry = new EtcdRegistry(members.client({ endpoints }), {
    keyring: options.keyring ?? keyring(),
    onSource: (_, source) => sources.push(source),
  });
  open.push(registry);
  const states: DesiredState[] = [];
  const errors: unknown[] = [];
  await registry.watch({
    onChange: (state) => states.push(state),
    onError: (error) => errors.push(error),
  });
  return { registry, states, errors, sources };
}

function server(address: string, more: object = {}): string {
  return JSON.stringify({ address, ...more });
}

test('one change among many servers is a small message, and makes one server', async () => {
  await fill(documentOf(SERVERS));
  const counter = await OctetCounter.start(members.member(0).place);
  open.push(counter);
  const { registry, states } = await follow({ endpoints: [counter.endpoint] });
  const before = await registry.read();
  await until('it follows', () => registry.connected);
  await change([keys.server('web', 'web-7'), server('10.1.0.7', { weight: 1 })]);
  await until(
    'the change came',
    () => states.length > 0 && states.at(-1)?.revision !== before.revision,
  );
  const already = counter.received;
  const count = states.length;
  await change([keys.server('web', 'web-8'), server('10.1.0.8', { weight: 2 })]);
  await until('the next change came', () => states.length > count);
  expect(counter.received - already).toBeGreaterThan(100);
  expect(counter.received - already).toBeLessThan(800);

  const [first, second] = states.slice(-2);
  const pool = second?.pools[0];
  const made = pool?.servers.filter((each, at) => each !== first?.pools[0]?.servers[at]);
  expect(made?.map(({ name, weight }) => [name, weight])).toEqual([['web-8', 2]]);
  expect(pool?.configs).toBe(before.pools[0]?.configs);
  const ids = (state: DesiredState) =>
    state.pools[0]?.servers.map(({ serverIds }) => serverIds.get(0));
  const old = ids(before);
  expect(second && ids(second)?.every((list, at) => list === old?.[at])).toBe(true);
});

test('names the key and the field of what was put by hand, and goes on when it is mended', async () => {
  await fill(documentOf(3));
  const { registry, states, errors } = await follow();
  const good = await registry.read();
  const key = keys.server('web', 'web-1');
  await client.kv.put(key, '{"address":"10.1.0.1","weight":-1}');
  await until('it is told', () => errors.length === 1);
  const [error] = errors;
  expect(error).toBeInstanceOf(CidecarError);
  expect((error as CidecarError).place).toEqual({ file: key, field: 'weight' });
  expect((error as CidecarError).message).toBe('must be a whole number from 0 to 65535, not -1');
  await expect(registry.read()).rejects.toMatchObject({ code: 'DOCUMENT_INVALID' });
  const told = states.length;
  await change([key, server('10.1.0.1')]);
  await until('it is over', () => states.length > told);
  expect(states.at(-1)?.pools).toEqual(good.pools);
});

test('hands out no half of a transaction', async () => {
  await fill(documentOf(2));
  const { registry, states } = await follow();
  await registry.read();
  const told = states.length;
  await change(
    [keys.id('web', 0, '000001'), JSON.stringify({ server: 'web-1' })],
    [keys.id('web', 0, '000002'), JSON.stringify({ server: 'web-0' })],
  );
  await until('it came', () => states.length > told);
  expect(states).toHaveLength(told + 1);
  const owners = states
    .at(-1)
    ?.pools[0]?.servers.map(({ serverIds }) => serverIds.get(0)?.[0]?.[2]);
  expect(owners).toEqual([2, 1]);
});

test('reads its own writes', async () => {
  await fill(documentOf(2));
  const { registry } = await follow();
  for (let weight = 1; weight <= 20; weight += 1) {
    const revision = await change([keys.server('web', 'web-1'), server('10.1.0.1', { weight })]);
    const state = await registry.read();
    expect(state.revision).toBe(`etcd-${revision}`);
    expect(state.pools[0]?.servers[1]?.weight).toBe(weight);
  }
});

test('has no state before the first apply, and says so', async () => {
  const { registry, states, errors } = await follow();
  await expect(registry.read()).rejects.toThrow(/nothing was put into etcd below/);
  await until('it is told', () => errors.length === 1);
  await fill(documentOf(1));
  await until('there is a state', () => states.length > 0);
});

test('refuses a registry of another layout, and goes on when it is of this one', async () => {
  await fill(documentOf(1));
  const salt = '00'.repeat(16);
  await client.kv.put(keys.meta, JSON.stringify({ layout: 2, salt }));
  const { registry, states } = await follow();
  await expect(registry.read()).rejects.toMatchObject({
    code: 'DOCUMENT_INVALID',
    place: { file: keys.meta, field: 'layout' },
    message: 'must be 1, not 2: this registry was made by another version',
  });
  await client.kv.put(keys.meta, JSON.stringify({ layout: 1, salt }));
  await until('it is taken', () => states.length > 0);
});

test('warns who stays of a release that holds no rights, once, and names the member', async () => {
  await fill(documentOf(1));
  const warnings: DocumentWarning[] = [];
  const onWarning = (warning: DocumentWarning) => void warnings.push(warning);
  const registry = new EtcdRegistry(members.client(), { keyring: keyring(), onWarning });
  open.push(registry);
  await registry.read();
  await registry.watch({ onChange: () => {}, onError: () => {} });
  await until('it warns', () => warnings.length > 0);
  expect(warnings).toMatchObject([
    { file: members.endpoints[0], message: expect.stringContaining('go round their rights') },
  ]);
});

test('saves what it was made of with its keys sealed, for a start without etcd', async () => {
  await fill(documentOf(3));
  const { registry, sources } = await follow();
  const state = await registry.read();
  const saved = sources.at(-1)?.serialize() ?? '';
  expect(saved).not.toContain(keyFile('web-0.key'));
  const signal = new AbortController().signal;
  const again = await stateFromEtcdSource(saved, 'saved', { keyring: keyring(), signal });
  expect(again).toEqual(state);
  const without = stateFromEtcdSource(saved, 'saved', { keyring: new Keyring(() => []), signal });
  await expect(without).rejects.toMatchObject({
    code: 'KEY_SEALED',
    place: { file: keys.config('web', 0), field: 'key' },
  });
  const older = sources.at(-1);
  await change([keys.server('web', 'web-1'), undefined]);
  await registry.read();
  expect(older?.serialize()).toBeUndefined();

  // The same by what changed since.
  const first = sources.length - 1;
  await change([keys.server('web', 'web-1'), '{"address":"10.0.9.9"}']);
  await change([keys.server('web', 'web-2'), undefined]);
  const now = await registry.read();
  const newest = sources.at(-1);
  const changes = newest?.changesSince?.(older?.mark ?? Number.NaN) ?? '';
  const signals = { keyring: keyring(), signal };
  expect(await stateFromEtcdSource(saved + changes, 'saved', signals)).toEqual(now);
  expect(sources[first]?.changesSince?.(newest?.mark ?? Number.NaN)).toBeUndefined();
  expect(newest?.changesSince?.(newest.mark ?? Number.NaN)).toBe('');
});

test('opens keys when the cluster secret comes', async () => {
  await fill(documentOf(1));
  let secrets: typeof SECRETS | readonly [] = [];
  const { registry, states, errors } = await follow({ keyring: new Keyring(() => secrets) });
  await until('it is told', () => errors.length > 0);
  expect(errors[0]).toMatchObject({ code: 'KEY_SEALED' });
  expect(String(errors[0])).toContain('which this host does not have (it has none)');
  secrets = SECRETS;
  await until('there is a state', () => states.length > 0);
  expect((await registry.read()).pools[0]?.configs).toHaveLength(1);
});

test('says that etcd is away, and goes on by itself', async () => {
  const own = await Members.start();
  open.push({ close: () => own.dispose() });
  const registry = new EtcdRegistry(own.client({ giveUpMs: 2_000 }), { keyring: keyring() });
  open.push(registry);
  const there = own.client();
  for (const [key, value] of entriesOfDocument(documentOf(2), keys)) await there.kv.put(key, value);
  const before = await registry.read();
  const states: DesiredState[] = [];
  const errors: unknown[] = [];
  await registry.watch({
    onChange: (state) => states.push(state),
    onError: (error) => errors.push(error),
  });
  await own.member(0).kill();
  await until('it is told', () => errors.length > 0);
  expect(errors[0]).toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  await expect(registry.read()).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  expect(registry.connected).toBe(false);
  expect(registry.disconnectedForMs).toBeGreaterThanOrEqual(0);
  own.member(0).start();
  await until('it is over', () => states.length > 0);
  expect(states[0]).toEqual(before);
  await there.kv.put(keys.server('web', 'web-9'), server('10.1.0.9'));
  await until('a change came', () => states.at(-1)?.pools[0]?.servers.length === 3);
});
