// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
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
