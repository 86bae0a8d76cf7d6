// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { StatusResponse } from '../../proto/gen/cidecar/v1/sidecar.js';
import { type EtcdClient, withPrefix } from '../../registry/etcd/client/index.js';
import { FleetPicture, type FleetView } from '../../registry/etcd/fleet/index.js';
import { Keys } from '../../registry/etcd/layout/index.js';
import { ask } from '../../sidecar/testing/calls.js';
import { SidecarFolder } from '../../sidecar/testing/sidecar-folder.js';
import { SidecarProcess } from '../../sidecar/testing/sidecar-process.js';
import { putPool } from './fleet-document.js';
import { Members } from './members.js';
import { type Printed, runCidctl } from './operators.js';
import { TestAgent } from './test-agent.js';
import { until } from './until.js';

// Sidecars as processes, which register themselves.

const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);

let members: Members;
let client: EtcdClient;
let scratch: string;
let folders: SidecarFolder[];
let agents: TestAgent[];
let sidecars: SidecarProcess[];
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());

beforeEach(() => {
  scratch = mkdtempSync('/dev/shm/cidecar-registration-');
  [folders, agents, sidecars] = [[], [], []];
});
afterEach(async () => {
  if (!members.member(0).running) members.member(0).start();
  await Promise.all(sidecars.map((sidecar) => sidecar.stop('SIGKILL')));
  await Promise.all(agents.map((agent) => agent.stop()));
  await Promise.all(folders.map((folder) => folder.remove()));
  rmSync(scratch, { recursive: true, force: true });
  await client.kv.remove(withPrefix(keys.root));
});

async function agent(name: string): Promise<TestAgent> {
  const own = mkdtempSync(join(scratch, `${name}-`));
  const { endpoints } = members;
  const started = await TestAgent.start({ endpoints, prefix: PREFIX, agent: name, folder: own });
  agents.push(started);
  await until(`${name} is live`, () => started.fleet.alive);
  return started;
}

async function newFolder(): Promise<SidecarFolder> {
  const folder = await SidecarFolder.create();
  folders.push(folder);
  return folder;
}

function start(folder: SidecarFolder, name: string, ...flags: string[]) {
  const where = ['--registry', `${members.address}${PREFIX}`, '--lease-ttl', '2'];
  const who = ['--pool', 'web', '--server', name, '--address', `10.0.1.${name.slice(4)}`];
  return SidecarProcess.start(folder, [...where, ...who, ...flags]).then((sidecar) => {
    sidecars.push(sidecar);
    return sidecar;
  });
}

function cidctl(command: string, ...args: string[]): Promise<Printed> {
  const registry = ['--registry', `${members.address}${PREFIX}`];
  return runCidctl(['ids', command, ...args, ...registry]);
}

async function statusOf(sidecar: SidecarProcess): Promise<StatusResponse> {
  const rpc = sidecar.client();
  try {
    return await ask(rpc, 'status', {});
  } finally {
    rpc.close();
  }
}

async function view(): Promise<FleetView> {
  const picture = new FleetPicture(keys);
  const { revision, entries } = await client.kv.list(keys.root);
  picture.begin(revision, entries);
  return picture.view;
}

async function owned(): Promise<Record<string, string>> {
  const { entries } = await client.kv.list(keys.ids('web'));
  return Object.fromEntries(
    entries.map(({ key, value }) => [
      key.slice(keys.ids('web').length),
      JSON.parse(value.toString()).server,
    ]),
  );
}

test('a sidecar registers itself, gets an ID from a controller, and issues when balancers hold it', async () => {
  await putPool(client, { configs: ['minting'], allocation: {} });
  await agent('lb-1');
  const folder = await newFolder();
  const sidecar = await start(folder, 'web-1', '--init');
  await until('it issues', async () => (await statusOf(sidecar)).serving);
  expect(await owned()).toEqual({ '0/000001': 'web-1' });
  expect((await view()).requests.get('web/web-1')?.value.granted).toEqual({ 0: ['000001'] });
});

test('a restart, and a stop without more, leave a server its IDs', async () => {
  await putPool(client, { configs: ['minting'], allocation: {} });
  await agent('lb-1');
  const folder = await newFolder();
  const first = await start(folder, 'web-1', '--init', '--ids', '3');
  await until('it issues', async () => (await statusOf(first)).serving);
  expect(await first.stop()).toBe(0);
  expect((await view()).liveServers.size).toBe(0);
  const before = await owned();
  expect(Object.values(before)).toEqual(['web-1', 'web-1', 'web-1']);
  const second = await start(folder, 'web-1', '--ids', '3');
  await until('it issues', async () => (await statusOf(second)).serving);
  // Killed, and back before its lease is over.
  await second.stop('SIGKILL');
  const third = await start(folder, 'web-1', '--ids', '4');
  await until('it has one more', async () => Object.keys(await owned()).length === 4);
  await until('it issues', async () => (await statusOf(third)).serving);
  expect(await owned()).toMatchObject(before);
});

test('a name that another state folder has is refused, alive or not, until it is released', async () => {
  await putPool(client, { configs: ['minting'], allocation: {} });
  await agent('lb-1');
  const sidecar = await start(await newFolder(), 'web-1', '--init');
  await until('it issues', async () => (await statusOf(sidecar)).serving);
  const other = await newFolder();
  await expect(start(other, 'web-1', '--init')).rejects.toThrow(/SERVER_TAKEN/);
  await expect(start(other, 'web-1')).rejects.toThrow(/two servers cannot have one name/);
  expect(await cidctl('release', 'web', '--server', 'web-1')).toMatchObject({
    code: 2,
    err: expect.stringContaining('is alive'),
  });
  await sidecar.stop('SIGKILL');
  await until('its lease is over', async () => (await view()).liveServers.size === 0);
  await expect(start(other, 'web-1')).rejects.toThrow(/gives no sign of life/);
  expect(await cidctl('release', 'web', '--server', 'web-1')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--gone'),
  });
  const released = await cidctl('release', 'web', '--server', 'web-1', '--gone', '--json');
  expect(JSON.parse(released.out)).toMatchObject({ atRest: ['0/000001'] });
  const successor = await start(other, 'web-1');
  await until('it issues', async () => (await statusOf(successor)).serving);
  expect(await owned()).toEqual({ '0/000002': 'web-1' });
});

test('a server that deregisters leaves the pool, and its ID is free after its rest', async () => {
  await putPool(client, { configs: ['minting'], allocation: { connectionAge: 1 } });
  const balancer = await agent('lb-1');
  const sidecar = await start(await newFolder(), 'web-1', '--init', '--deregister-on-stop');
  await until('it issues', async () => (await statusOf(sidecar)).serving);
  balancer.hold();
  expect(await sidecar.stop()).toBe(0);
  const left = await view();
  expect(await owned()).toEqual({});
  expect(left.requests.size + left.uses.size + left.liveServers.size).toBe(0);
  expect(left.rests.get('web/0/000001')?.value.server).toBe('web-1');
  expect((await client.kv.list(keys.servers('web'))).entries).toEqual([]);
  await until('it is said for whom it waits', () =>
    balancer.lines.some(({ msg }) => /waiting for lb-1 to acknowledge/.test(String(msg))),
  );
  expect((await view()).rests.size).toBe(1);
  balancer.release();
  await until('it is free', async () => (await view()).rests.size === 0);
});

test('cidctl ids lists, reserves, pins and releases', async () => {
  await putPool(client, {
    configs: ['minting', 'staged'],
    servers: { 'web-9': ['000003'] },
    allocation: {},
  });
  expect(await cidctl('reserve', 'web', '1', '--count', '2', '--why', 'test')).toMatchObject({
    code: 0,
    out: 'reserved: 0/000001, 1/000001\n',
  });
  await cidctl('pin', 'web', 'web-1', '0x00000b', '--config', '0');
  expect(await cidctl('pin', 'web', 'web-1', '000003')).toMatchObject({
    code: 2,
    err: expect.stringContaining('server web-9 has 000003 under config 0; release it first'),
  });
  await agent('lb-1');
  const sidecar = await start(await newFolder(), 'web-1', '--init');
  await until('it issues', async () => (await statusOf(sidecar)).serving);
  const listed = await cidctl('list', 'web');
  expect(listed.out.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
    'POOL CONFIG ID SERVER STATE',
    'web 0 000001-000002 - reserved test',
    'web 0 000003 web-9 owned by the document',
    'web 0 00000b web-1 owned handed out',
    'web 0 00000b web-1 pinned',
    'web 1 000001-000002 - reserved test',
    'web 1 000003 web-9 owned by the document',
    'web 1 00000b web-1 owned handed out',
    '',
  ]);
  // One ID, in whose place the server gets another, and stops issuing this one.
  await cidctl('release', 'web', '--id', '00000b');
  await until('it has others', async () => {
    const ids = await owned();
    return ids['0/000004'] === 'web-1' && ids['1/000004'] === 'web-1';
  });
  const { removedAt = 0, state } = JSON.parse((await cidctl('list', '--json')).out)[0].ids.find(
    (each: { first: string }) => each.first === '00000b',
  );
  expect(state).toBe('at rest');
  await until('its mark says that it has stopped', async () => {
    return ((await view()).uses.get('web/0/web-1')?.modRevision ?? 0) > removedAt;
  });
  expect(await cidctl('release', 'web', '--id', '000003')).toMatchObject({ code: 2 });
  expect((await cidctl('release', 'web', '--id', '1')).out).toContain('no longer kept: 0/000001');
});

test('a sidecar issues again after its host was booted', async () => {
  await putPool(client, { configs: ['minting'], allocation: { hold: 600 } });
  await agent('lb-1');
  const folder = await newFolder();
  const first = await start(folder, 'web-1', '--init');
  await until('it issues', async () => (await statusOf(first)).serving);
  expect(await first.stop()).toBe(0);
  const path = join(folder.state, 'fence');
  const saved = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...saved, bootId: 'another' }));
  const second = await start(folder, 'web-1');
  await until('it issues again', async () => (await statusOf(second)).serving);
});

test('a pool without allocation takes no registrations', async () => {
  await putPool(client, { configs: ['minting'] });
  await expect(start(await newFolder(), 'web-1', '--init')).rejects.toThrow(/SERVER_UNKNOWN/);
});

test('a sidecar that is cut off fences itself before its hold is over, and comes back', async () => {
  await putPool(client, { configs: ['minting'], allocation: { hold: 6, connectionAge: 1 } });
  await agent('lb-1');
  const sidecar = await start(await newFolder(), 'web-1', '--init', '--cid-lifetime', '1');
  await until('it issues', async () => (await statusOf(sidecar)).serving);
  expect((await view()).requests.get('web/web-1')?.value.hold).toBe(6);
  members.member(0).pause();
  try {
    await until('it fences itself', async () => {
      const { serving, reason } = await statusOf(sidecar);
      return !serving && reason.includes('may be taken back');
    });
  } finally {
    members.member(0).resume();
  }
  await until('it issues again', async () => (await statusOf(sidecar)).serving);
});

test('IDs are taken back after the hold, and not before', async () => {
  await putPool(client, { configs: ['minting'], allocation: { hold: 4, connectionAge: 1 } });
  await agent('lb-1');
  const folder = await newFolder();
  const sidecar = await start(folder, 'web-1', '--init', '--cid-lifetime', '1');
  await until('it issues', async () => (await statusOf(sidecar)).serving);
  await sidecar.stop('SIGKILL');
  await until('its hold is over', async () => (await view()).requests.size === 0);
  expect(await owned()).toEqual({});
  const again = await start(folder, 'web-1', '--cid-lifetime', '1');
  await until('it issues again', async () => (await statusOf(again)).serving);
  expect(Object.values(await owned())).toEqual(['web-1']);
});
