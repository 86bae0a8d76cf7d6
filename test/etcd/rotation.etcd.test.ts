// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type EtcdClient, put, withPrefix } from '../../registry/etcd/client/index.js';
import { RotationPicture, type RotationView } from '../../registry/etcd/fleet/index.js';
import { Keys, transaction } from '../../registry/etcd/layout/index.js';
import { SECRETS } from '../../registry/etcd/testing/documents.js';
import { ask } from '../../sidecar/testing/calls.js';
import { SidecarFolder } from '../../sidecar/testing/sidecar-folder.js';
import { SidecarProcess } from '../../sidecar/testing/sidecar-process.js';
import { putDocument } from './fleet-document.js';
import { Members } from './members.js';
import { type Printed, runCidctl } from './operators.js';
import { TestAgent } from './test-agent.js';
import { until } from './until.js';

const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);

let members: Members;
let client: EtcdClient;
let scratch: string;
let secret: string;
let folders: SidecarFolder[];
let agents: TestAgent[];
let sidecars: SidecarProcess[];
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());

beforeEach(() => {
  scratch = mkdtempSync('/dev/shm/cidecar-rotation-');
  secret = join(scratch, 'secret');
  const [{ id, secret: octets }] = SECRETS;
  writeFileSync(secret, `${id} ${Buffer.from(octets.reveal()).toString('hex')}\n`, { mode: 0o600 });
  folders = [];
  agents = [];
  sidecars = [];
});
afterEach(async () => {
  members.resumeAll();
  await Promise.all(sidecars.map((sidecar) => sidecar.stop('SIGKILL')));
  await Promise.all(agents.map((agent) => agent.stop()));
  await Promise.all(folders.map((folder) => folder.remove()));
  rmSync(scratch, { recursive: true, force: true });
  await client.kv.remove(withPrefix(keys.root));
});

async function agent(name: string): Promise<TestAgent> {
  const own = mkdtempSync(join(scratch, `${name}-`));
  const { endpoints } = members;
  const started = await TestAgent.start({
    ...{ endpoints, prefix: PREFIX, agent: name, folder: own },
    fleet: { rotation: { quietSeconds: 1, readAgainMs: 100, lookEveryMs: 100, saveEvery: 1 } },
  });
  agents.push(started);
  await until(`${name} is live`, () => started.fleet.alive);
  return started;
}

async function sidecar(server = 'web-1'): Promise<SidecarProcess> {
  const folder = await SidecarFolder.create();
  folders.push(folder);
  const registry = ['--registry', `${members.address}${PREFIX}`, '--cluster-secret', secret];
  const started = await SidecarProcess.start(folder, [
    ...registry,
    ...['--server', server, '--lease-ttl', '2', '--reissue-within', '1', '--init'],
  ]);
  sidecars.push(started);
  return started;
}

/** The config under which a sidecar issues now; 7 for 0b111. */
async function issues(of: SidecarProcess): Promise<number> {
  const rpc = of.client();
  try {
    const { batch } = await ask(rpc, 'issue', { count: 1, serverUse: Buffer.alloc(0) });
    return batch?.configId ?? -1;
  } finally {
    rpc.close();
  }
}

function cidctl(...args: string[]): Promise<Printed> {
  const shared = ['--registry', `${members.address}${PREFIX}`, '--cluster-secret', secret];
  return runCidctl([...args, ...shared]);
}

async function view(): Promise<RotationView> {
  const picture = new RotationPicture(keys, 'web');
  const { revision, entries } = await client.kv.list(keys.root);
  picture.begin(revision, entries);
  return picture.view;
}

const step = async () => (await view()).record?.value.step;
const states = async () =>
  Object.fromEntries([...(await view()).configs].map(([id, { value }]) => [id, value.shape.state]));

const SERVERS = { 'web-1': ['0a0b0c'], 'web-2': ['0a0b0d'] };

/** Connections last this many seconds. */
async function connectionsLast(seconds: number): Promise<void> {
  const key = keys.pool('web');
  const found = await client.kv.get(key);
  const value = JSON.parse(found?.value.toString() ?? '');
  const allocation = { idsPerServer: 1, first: 1, last: 100, hold: 3600, connectionAge: seconds };
  const success = [put(key, JSON.stringify({ ...value, allocation }))];
  await client.kv.txn(transaction(keys, 'test', { success }));
}

test('a rotation from the first word to the end, with a key', async () => {
  await putDocument(client, { configs: ['minting'], servers: SERVERS });
  await connectionsLast(2);
  await agent('lb-1');
  await agent('lb-2');
  const [one, two] = await Promise.all([sidecar('web-1'), sidecar('web-2')]);
  await until('both issue', async () => (await issues(one)) === 0 && (await issues(two)) === 0);
  const { code, out, err } = await cidctl('rotate', 'web', '--key', '--watch', '--reason', 'test');
  expect(err).toBe('the rotation goes on also where this command ends\n');
  expect(code).toBe(0);
  // Steps that follow each other at once may come in one message.
  expect(out).toMatch(
    /^web: (next: the new config is staged|config 1 is staged, config 0 mints)$/m,
  );
  expect(out).toContain('web: config 1 mints, config 0 is retiring\n');
  expect(out).toContain('web: done: config 1 took the place of config 0\n');
  expect(await states()).toEqual({ 1: 'minting' });
  expect(await issues(one)).toBe(1);
  expect(await issues(two)).toBe(1);
  expect(await client.kv.get(keys.config('web', 0))).toBeUndefined();
  expect((await client.kv.list(keys.ids('web', 0))).entries).toEqual([]);
  expect((await view()).record?.value).toMatchObject({ step: 'over', outcome: 'rotated' });
  const status = await cidctl('rotate', 'web', '--status', '--json');
  const { record, waits } = JSON.parse(status.out);
  expect(record).toMatchObject({ step: 'over', from: 0, to: 1, why: 'test' });
  expect(waits).toEqual([]);
  // The key of the former config is in no value of etcd any more.
  const { entries } = await client.kv.list(keys.desired);
  expect(entries.filter(({ key }) => key.includes('/configs/'))).toHaveLength(1);
  const wrong = await cidctl('rotate', 'dns');
  expect(wrong).toMatchObject({ code: 2 });
  expect(wrong.err).toContain('the registry has no pool dns');
  const late = await cidctl('rotate', 'web', '--abort');
  expect(late.err).toContain('no rotation of this pool is under way');
});

test('the command can end, and another one goes on; an abort from elsewhere', async () => {
  await putDocument(client, { configs: ['minting'], servers: { 'web-1': ['0a0b0c'] } });
  await connectionsLast(2);
  await agent('lb-1');
  const one = await sidecar('web-1');
  await until('it issues', async () => (await issues(one)) === 0);
  const asked = await cidctl('rotate', 'web', '--no-wait', '--json');
  expect(JSON.parse(asked.out).record.step).toMatch(/asked|staged|minting/);
  const second = await cidctl('rotate', 'web');
  expect(second.err).toContain('a rotation is under way, which cidctl');
  await until('the new config mints', async () => (await step()) === 'minting');
  const early = await cidctl('rotate', 'web', '--force', 'remove', '--reason', 'haste');
  expect(early.err).toContain('the rotation is minting; remove is not its next step');
  const back = await cidctl('rotate', 'web', '--abort', '--watch', '--reason', 'test');
  expect(back.code).toBe(0);
  expect(back.out).toContain('web: aborted by cidctl');
  expect(await states()).toEqual({ 0: 'minting' });
  expect(await issues(one)).toBe(0);
});
