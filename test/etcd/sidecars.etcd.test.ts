// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { StatusResponse } from '../../proto/gen/cidecar/v1/sidecar.js';
import { type EtcdClient, withPrefix } from '../../registry/etcd/client/index.js';
import { countOut, FleetPicture, type FleetView } from '../../registry/etcd/fleet/index.js';
import { Keys } from '../../registry/etcd/layout/index.js';
import { ask } from '../../sidecar/testing/calls.js';
import { SidecarFolder } from '../../sidecar/testing/sidecar-folder.js';
import { SidecarProcess } from '../../sidecar/testing/sidecar-process.js';
import { putDocument } from './fleet-document.js';
import { Members } from './members.js';
import { TestAgent } from './test-agent.js';
import { until } from './until.js';

const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);
const FLAGS = ['--lease-ttl', '2', '--reissue-within', '1'];
const BOTH = { 'web-1': ['0a0b0c'] };

let members: Members;
let client: EtcdClient;
let scratch: string;
let folder: SidecarFolder;
let agents: TestAgent[];
let sidecar: SidecarProcess | undefined;
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());

beforeEach(async () => {
  scratch = mkdtempSync('/dev/shm/cidecar-sidecars-');
  folder = await SidecarFolder.create();
  agents = [];
});
afterEach(async () => {
  if (!members.member(0).running) members.member(0).start();
  await sidecar?.stop('SIGKILL');
  sidecar = undefined;
  await Promise.all(agents.map((agent) => agent.stop()));
  await folder.remove();
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

async function start(...flags: string[]): Promise<SidecarProcess> {
  const registry = ['--registry', `${members.address}${PREFIX}`];
  sidecar = await SidecarProcess.start(folder, [...registry, ...FLAGS, ...flags]);
  return sidecar;
}

const status = async (): Promise<StatusResponse> => {
  if (sidecar === undefined) throw new Error('there is no sidecar');
  const rpc = sidecar.client();
  try {
    return await ask(rpc, 'status', {});
  } finally {
    rpc.close();
  }
};

/** The config under which it issues now; 7 for 0b111. */
async function issues(): Promise<number> {
  if (sidecar === undefined) throw new Error('there is no sidecar');
  const rpc = sidecar.client();
  try {
    const { batch } = await ask(rpc, 'issue', { count: 1, serverUse: Buffer.alloc(0) });
    return batch?.configId ?? -1;
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

async function waitsFor(): Promise<string[]> {
  const { fleet } = await status();
  return (fleet?.waits ?? []).flatMap(({ agents: waiting }) => waiting.map(({ name }) => name));
}

const marks = async () => [...(await view()).uses.folders];

test('nothing is issued before a balancer has joined', async () => {
  await putDocument(client, { configs: ['minting'] });
  await start('--init');
  await until('it says for what it waits', async () => {
    const { reason } = await status();
    return reason.startsWith('waiting for a first balancer to join to hold config 0');
  });
  const said = await status();
  expect(said.serving).toBe(false);
  expect(said.fleet?.waits).toMatchObject([{ configId: 0, agents: [] }]);
  expect(await issues()).toBe(7);
  expect(await marks()).toEqual([]);
  await agent('lb-1');
  await until('it issues', async () => (await issues()) === 0);
  const seen = (await view()).uses.get('web/0/web-1');
  expect(seen?.lease).toBe('0');
  await until('it says so', async () => {
    return (await view()).liveServers.get('web/web-1')?.value.issuing === 0;
  });
  expect((await status()).fleet?.waits).toEqual([]);
});

test('a config is issued when both balancers hold it, and until then the one before', async () => {
  await putDocument(client, { configs: ['minting'] });
  const one = await agent('lb-1');
  const two = await agent('lb-2');
  await start('--init');
  await until('it issues', async () => (await issues()) === 0);
  const staged = await putDocument(client, { configs: ['minting', 'staged'] });
  await until('both have it', () => [one, two].every((each) => each.acknowledged === staged));
  // A config that is only staged has no mark, so it can be aborted.
  expect(await marks()).toEqual(['web/0']);
  two.hold();
  const revision = await putDocument(client, { configs: ['retiring', 'minting'] });
  await until('one has it', () => one.acknowledged === revision);
  await until('it waits for the other', async () => (await waitsFor()).join() === 'lb-2');
  expect(await issues()).toBe(0);
  const said = await status();
  expect(said.serving).toBe(true);
  expect(said.configs.map(({ state }) => state)).toEqual(['retiring', 'minting']);
  expect(said.fleet?.waits).toMatchObject([{ configId: 1, revision }]);
  expect(await marks()).toEqual(['web/0']);
  await until('others see for whom', async () => {
    return (await view()).liveServers.get('web/web-1')?.value.waitingFor.join() === 'lb-2';
  });
  two.release();
  await until('it issues the new one', async () => (await issues()) === 1);
  expect(await waitsFor()).toEqual([]);
  // When connections had their time to change, the mark of the old one goes.
  await until('the mark is taken back', async () => (await marks()).join() === 'web/1');
  expect(Object.keys(passesOnDisk())).toEqual(['1']);
});

test('an ID is issued when both balancers hold it', async () => {
  const servers = (ids: string[]) => ({ configs: ['minting'], servers: { 'web-1': ids } });
  await putDocument(client, servers(['000001']));
  const one = await agent('lb-1');
  const two = await agent('lb-2');
  await start('--init');
  await until('it issues', async () => (await issues()) === 0);
  two.hold();
  const revision = await putDocument(client, servers(['000001', '000002']));
  await until('one has it', () => one.acknowledged === revision);
  await until('it waits for the other', async () => (await waitsFor()).join() === 'lb-2');
  expect(passesOnDisk()['0']?.ids).toEqual(['000001']);
  expect(await issues()).toBe(0);
  two.release();
  await until('it passed', () => passesOnDisk()['0']?.ids.join() === '000001,000002');
  // One that was taken away has to pass again if it comes back.
  await putDocument(client, servers(['000001']));
  await until('it is forgotten', () => passesOnDisk()['0']?.ids.join() === '000001');
});

test('a mark stays while connections may have CIDs of the config', async () => {
  await putDocument(client, { configs: ['minting'] });
  const one = await agent('lb-1');
  await start('--init', '--reissue-within', '3600');
  await until('it issues', async () => (await issues()) === 0);
  const staged = await putDocument(client, { configs: ['minting', 'staged'] });
  await until('it has it', () => one.acknowledged === staged);
  await putDocument(client, { configs: ['retiring', 'minting'] });
  await until('it issues the new one', async () => (await issues()) === 1);
  for (const server of ['web-2', 'web-3']) {
    const ids = ['0a0b0d', '0a0b0e'].slice(0, server === 'web-2' ? 1 : 2);
    const servers = { 'web-1': ['0a0b0c'], [server]: ids };
    const revision = await putDocument(client, { configs: ['retiring', 'minting'], servers });
    await until('it follows', async () => {
      return (await status()).registryRevision === `etcd-${revision}`;
    });
  }
  expect(await marks()).toEqual(['web/0', 'web/1']);
  expect(Object.keys(passesOnDisk())).toEqual(['0', '1']);
});

test('a balancer that was counted out is not waited for', async () => {
  await putDocument(client, { configs: ['minting'] });
  await agent('lb-1');
  const two = await agent('lb-2');
  await start('--init');
  await until('it issues', async () => (await issues()) === 0);
  two.hold();
  await putDocument(client, { configs: ['retiring', 'minting'] });
  await until('it waits', async () => (await waitsFor()).join() === 'lb-2');
  await client.kv.txn(countOut(keys, 'lb-2', { by: 'test', why: 'it hangs' }));
  await until('it issues', async () => (await issues()) === 1);
});

test('a balancer that is dead but not away holds the gate up, and it is said', async () => {
  await putDocument(client, { configs: ['minting'] });
  await agent('lb-1');
  const two = await agent('lb-2');
  await start('--init');
  await until('it issues', async () => (await issues()) === 0);
  await two.kill();
  await until('its lease is gone', async () => (await view()).liveAgents.size === 1);
  await putDocument(client, { configs: ['retiring', 'minting'] });
  await until('it waits', async () => {
    const { fleet } = await status();
    return fleet?.waits[0]?.agents[0]?.condition === 'silent';
  });
  expect(await issues()).toBe(0);
});

test('while etcd is away it issues what it may, also after a restart', async () => {
  await putDocument(client, { configs: ['minting'], servers: BOTH });
  const one = await agent('lb-1');
  const running = await start('--init');
  await until('it issues', async () => (await issues()) === 0);
  // A config that it may not issue yet, and of which it knows.
  one.hold();
  const revision = await putDocument(client, { configs: ['retiring', 'minting'], servers: BOTH });
  await until('it waits', async () => (await waitsFor()).join() === 'lb-1');
  await until('it is on disk', () => lastGood().includes(`"revision":${revision}`));
  await members.member(0).kill();
  expect(await issues()).toBe(0);
  await running.stop('SIGKILL');
  await start();
  expect(await issues()).toBe(0);
  const said = await status();
  expect(said.fleet?.connected).toBe(false);
  expect(said.configs.map(({ state }) => state)).toEqual(['retiring', 'minting']);
  members.member(0).start();
  one.release();
  await until('it issues the new one', async () => (await issues()) === 1);
});

test('a sidecar whose mark was taken by force passes the gate again', async () => {
  await putDocument(client, { configs: ['minting'], servers: BOTH });
  const one = await agent('lb-1');
  const running = await start('--init');
  await until('it issues', async () => (await issues()) === 0);
  await running.stop();
  await client.kv.remove(keys.use('web', 0, 'web-1'));
  one.hold();
  // What it wants is written anew, so that the balancer does not hold it.
  await client.kv.put(keys.config('web', 0), await textOf(keys.config('web', 0)));
  await client.kv.put(keys.revision, '{}');
  await start();
  await until('it waits', async () => (await waitsFor()).join() === 'lb-1');
  expect(await issues()).toBe(7);
  one.release();
  await until('it issues', async () => (await issues()) === 0);
  expect(await marks()).toEqual(['web/0']);
});

test('when etcd lies low it goes on, and is seen again', async () => {
  await putDocument(client, { configs: ['minting'], servers: BOTH });
  await agent('lb-1');
  await start('--init');
  await until('it issues', async () => (await issues()) === 0);
  const lease = async () => (await view()).liveServers.get('web/web-1')?.lease;
  await until('it is seen', async () => (await lease()) !== undefined);
  const before = await lease();
  members.pauseAll();
  try {
    await until('it is away for longer than a lease', async () => {
      const { fleet } = await status();
      expect(await issues()).toBe(0);
      return fleet?.connected === false && fleet.disconnectedSeconds > 4;
    });
  } finally {
    members.resumeAll();
  }
  await until('it is seen by another lease', async () => {
    const now = await lease();
    return now !== undefined && now !== before;
  });
  expect(await issues()).toBe(0);
  expect(await marks()).toEqual(['web/0']);
});

test('where etcd is full that is said, and what takes away still works', async () => {
  const small = await Members.start({ quotaOctets: 4 * 1024 * 1024 });
  try {
    const own = small.client();
    await putDocument(own, { configs: ['minting'] });
    const folderOfAgent = mkdtempSync(join(scratch, 'lb-1-'));
    const balancer = await TestAgent.start({
      endpoints: small.endpoints,
      prefix: PREFIX,
      agent: 'lb-1',
      folder: folderOfAgent,
    });
    agents.push(balancer);
    await until('it is live', () => balancer.fleet.alive);
    const registry = ['--registry', `${small.address}${PREFIX}`, '--lease-ttl', '2'];
    const first = await SidecarProcess.start(folder, [...registry, '--init']);
    sidecar = first;
    await until('it issues', async () => (await issues()) === 0);
    await first.stop();
    // A mark that it does not need.
    await own.kv.put(keys.use('web', 3, 'web-1'), JSON.stringify({ identity: 'x' }));
    await until('it is full', async () => {
      await own.kv.put('/filling', Buffer.alloc(512 * 1024)).catch(() => undefined);
      return own.isFull();
    });
    sidecar = await SidecarProcess.start(folder, [...registry, '--reissue-within', '1']);
    expect(await issues()).toBe(0);
    await until('the mark is taken back', async () => {
      const { entries } = await own.kv.list(keys.uses('web'));
      return entries.map(({ key }) => key).join() === keys.use('web', 0, 'web-1');
    });
    // What is to be written says why it cannot be.
    await own.kv.remove(keys.ack('lb-1'));
    await until('the agent says so', () => {
      return balancer.lines.some((line) => JSON.stringify(line).includes('REGISTRY_FULL'));
    });
  } finally {
    await sidecar?.stop('SIGKILL');
    sidecar = undefined;
    await Promise.all(agents.splice(0).map((each) => each.stop()));
    await small.dispose();
  }
});

function passesOnDisk(): Record<string, { ids: string[] }> {
  return JSON.parse(readFileSync(join(folder.state, 'passes'), 'utf8')).passes;
}

/** The saved state, and the changes that were saved since. */
function lastGood(): string {
  const saved = join(folder.state, 'last-good');
  const journal = `${saved}.journal`;
  return readFileSync(saved, 'utf8') + (existsSync(journal) ? readFileSync(journal, 'utf8') : '');
}

async function textOf(key: string): Promise<Buffer> {
  const found = await client.kv.get(key);
  if (found === undefined) throw new Error(`${key} is there`);
  return found.value;
}
