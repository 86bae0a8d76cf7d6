// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type EtcdClient, withPrefix } from '../../registry/etcd/client/index.js';
import { FleetPicture, type FleetView, leave } from '../../registry/etcd/fleet/index.js';
import { acknowledgement, Keys } from '../../registry/etcd/layout/index.js';
import type { Registration } from '../../sidecar/fleet/registration.js';
import { leftovers, Scope, sweepLeftovers } from '../netns/scope.js';
import { putPool } from './fleet-document.js';
import type { Members, MembersOptions } from './members.js';
import { EtcdNetwork } from './network.js';
import { Registrants } from './registrants.js';
import { TestAgent, type TestAgentOptions } from './test-agent.js';
import { until } from './until.js';

// A fleet of agents and sidecars while members of etcd fail: nobody loses an ID, and no agent is
// counted out.

const FAMILY = 'cdfaults';
const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);
/** Seconds: the least that etcd grants. */
const TTL = 2;

let scope: Scope;
let network: EtcdNetwork;
let members: Members;
let client: EtcdClient;
let scratch: string;
let agents: TestAgent[];
let registrants: Registrants;
beforeEach(async () => {
  await sweepLeftovers(FAMILY);
  scope = new Scope(FAMILY);
  scratch = mkdtempSync('/dev/shm/cidecar-faults-');
  agents = [];
});
afterEach(async () => {
  await registrants?.close();
  await Promise.all(agents.map((agent) => agent.stop()));
  await members?.dispose();
  await scope.dispose();
  rmSync(scratch, { recursive: true, force: true });
  expect(leftovers(scope.name)).toEqual([]);
});

/** A pool that hands out IDs, and nobody in it. */
async function build(options: MembersOptions = {}): Promise<void> {
  network = await EtcdNetwork.build(scope, options);
  members = network.members;
  client = members.client();
  registrants = new Registrants(members.endpoints, PREFIX);
  await put('minting');
}

const put = (...configs: string[]) => putPool(client, { configs, allocation: { idsPerServer: 1 } });

async function agent(name: string, more: Partial<TestAgentOptions> = {}): Promise<TestAgent> {
  const folder = mkdtempSync(join(scratch, `${name}-`));
  const of = { endpoints: members.endpoints, prefix: PREFIX, agent: name, folder, ttl: TTL };
  const started = await TestAgent.start({ ...of, ...more });
  agents.push(started);
  await until(`${name} is live`, () => started.fleet.alive);
  return started;
}

async function sidecar(name: string, endpoints = members.endpoints): Promise<Registration> {
  const registration = registrants.begin(name, registrants.registry(endpoints), { ttl: TTL });
  await registration.ready();
  await until(`${name} is alive`, () => registration.alive);
  return registration;
}

async function view(): Promise<FleetView> {
  const picture = new FleetPicture(keys);
  const { revision, entries } = await client.kv.list(keys.root);
  picture.begin(revision, entries);
  return picture.view;
}

/** Owners by the keys of their IDs. */
async function owners(): Promise<Record<string, string>> {
  const { entries } = await client.kv.list(keys.ids('web'));
  return Object.fromEntries(
    entries.map(({ key, value }) => [key, JSON.parse(value.toString()).server]),
  );
}

async function acknowledged(revision: number, ...names: string[]): Promise<boolean> {
  const { acks } = await view();
  return names.every((name) => (acks.get(name)?.value ?? 0) >= revision);
}

async function expectNothingFreed(before: Record<string, string>): Promise<void> {
  expect(await owners()).toMatchObject(before);
  const { rests, stale, countedOut } = await view();
  expect([rests.size, stale.size, countedOut.size]).toEqual([0, 0, 0]);
}

/** Not even for a while, since a revision. */
async function expectNobodyPutAway(since: number): Promise<void> {
  const seen: string[] = [];
  const end = keys.stale('end-of-the-test');
  await client.kv.put(end, acknowledgement(1));
  const watch = client.watch(withPrefix(keys.allStale), since + 1, {
    onChanges: (sets) => {
      for (const { changes } of sets) {
        for (const each of changes) seen.push(each.kind === 'put' ? each.entry.key : each.key);
      }
    },
    onCompacted: () => undefined,
  });
  await until('the history was seen', () => seen.includes(end));
  watch.close();
  await client.kv.remove(end);
  expect(seen).toEqual([end]);
}

/** Index of a member that does not lead. */
async function aFollower(): Promise<number> {
  return ((await members.leader()) + 1) % 3;
}

function only(index: number): string[] {
  return [members.member(index).endpoint];
}

test('an agent in a minority routes on, is waited for, and converges', async () => {
  await build();
  const alone = await aFollower();
  client = members.client({ first: (alone + 1) % 3 });
  const one = await agent('lb-1', { endpoints: only(alone) });
  await agent('lb-2');
  await sidecar('web-1');
  const before = await owners();
  const routed = (await client.kv.get(keys.revision))?.modRevision ?? 0;
  await until('it acknowledged that', () => acknowledged(routed, 'lb-1'));
  await network.linkToPeers(alone, false);
  await until('its lease is gone', async () => (await view()).liveAgents.get('lb-1') === undefined);
  const changed = await put('minting', 'staged');
  await until('the other has the change', () => acknowledged(changed, 'lb-2'));
  // Within the grace it holds gates up, by what it acknowledged last.
  const waiting = (await view()).acks.get('lb-1')?.value ?? 0;
  expect(waiting).toBeGreaterThanOrEqual(routed);
  expect(waiting).toBeLessThan(changed);
  // The other controls the pool by now, and had reason to look twice.
  for (const name of ['web-2', 'web-3']) await sidecar(name, only((alone + 1) % 3));
  expect((await view()).controllers.get('web')?.value.agent).toBe('lb-2');
  expect(one.attached).toBe(true);
  await expectNothingFreed(before);
  await expectNobodyPutAway(routed);
  await network.linkToPeers(alone, true);
  await until('it has the change', () => acknowledged(changed, 'lb-1', 'lb-2'));
  await until('it is live', () => one.fleet.alive);
});

test('a sidecar in a minority keeps its ID, and is seen again', async () => {
  await build();
  const alone = await aFollower();
  client = members.client({ first: (alone + 1) % 3 });
  await agent('lb-1', { endpoints: only((alone + 1) % 3) });
  const cut = await sidecar('web-1', only(alone));
  const before = await owners();
  expect(Object.values(before)).toEqual(['web-1']);
  await network.linkToPeers(alone, false);
  await until('its sign of life is gone', async () => {
    return (await view()).liveServers.get('web/web-1') === undefined;
  });
  // Another one gets another ID meanwhile.
  await sidecar('web-2', only((alone + 1) % 3));
  expect(Object.values(await owners())).toEqual(['web-1', 'web-2']);
  await expectNothingFreed(before);
  await network.linkToPeers(alone, true);
  await until('it is seen again', async () => {
    return cut.alive && (await view()).liveServers.get('web/web-1') !== undefined;
  });
  expect(Object.values(await owners())).toEqual(['web-1', 'web-2']);
});

test('the leader is killed while servers register: no ID twice, and all converge', async () => {
  await build();
  await agent('lb-1');
  await agent('lb-2');
  await sidecar('web-1');
  const leader = await members.leader();
  const names = Array.from({ length: 20 }, (_, i) => `web-${i + 2}`);
  const registering = Promise.all(names.map((name) => sidecar(name)));
  await until('some are there', async () => Object.keys(await owners()).length > 3);
  await members.member(leader).kill();
  client = members.client({ first: (leader + 1) % 3 });
  await registering;
  await until('each has an ID', async () => Object.keys(await owners()).length === 21);
  expect(new Set(Object.values(await owners())).size).toBe(21);
  await expectNothingFreed({});
  const changed = await put('minting', 'staged');
  await until('both have the change', () => acknowledged(changed, 'lb-1', 'lb-2'));
});

test('a full etcd takes removals; nobody loses anything', async () => {
  await build({ quotaOctets: 6 * 1024 * 1024 });
  const one = await agent('lb-1');
  await agent('lb-2');
  await sidecar('web-1');
  const before = await owners();
  await until('it is full', async () => {
    await client.kv.put('/filling', Buffer.alloc(512 * 1024)).catch(() => undefined);
    return client.isFull();
  });
  await expect(put('minting', 'staged')).rejects.toMatchObject({ code: 'REGISTRY_FULL' });
  // An agent that leaves takes its keys away.
  const [, two] = agents;
  await two?.stop();
  await client.kv.txn({ when: [], success: leave(keys, 'lb-2') });
  expect((await view()).acks.get('lb-2')).toBeUndefined();
  expect(one.attached && one.fleet.alive).toBe(true);
  await expectNothingFreed(before);
  const { revision } = await client.kv.remove('/filling');
  await client.kv.compact(revision);
  for (const { endpoint } of members.all) {
    await members.etcdctl(`--endpoints=http://${endpoint}`, 'defrag');
  }
  await members.etcdctl('alarm', 'disarm');
  const changed = await put('minting', 'staged');
  await until('it goes on', () => acknowledged(changed, 'lb-1'));
});

test('all members pause for longer than a lease: no ID is freed, nobody is counted out', async () => {
  await build();
  const pair = [await agent('lb-1'), await agent('lb-2')];
  const sidecars = [await sidecar('web-1'), await sidecar('web-2')];
  const before = await owners();
  const old = await view();
  members.pauseAll();
  try {
    // No event tells how long the members have been paused: time itself is what is tested.
    await pause(4_000 * TTL);
  } finally {
    members.resumeAll();
  }
  await until('all have new leases', async () => {
    const now = await view();
    return (
      ['lb-1', 'lb-2'].every((name) => {
        const lease = now.liveAgents.get(name)?.lease;
        return lease !== undefined && lease !== old.liveAgents.get(name)?.lease;
      }) && ['web/web-1', 'web/web-2'].every((name) => now.liveServers.get(name) !== undefined)
    );
  });
  await until('they know it', () =>
    [...pair.map(({ fleet }) => fleet), ...sidecars].every((each) => each.alive),
  );
  await expectNothingFreed(before);
  expect(await owners()).toEqual(before);
  await expectNobodyPutAway(old.revision);
});

test('what was compacted away during an outage is caught up with', async () => {
  await build();
  const alone = await aFollower();
  client = members.client({ first: (alone + 1) % 3 });
  const one = await agent('lb-1', { endpoints: only(alone) });
  const cut = await sidecar('web-1', only(alone));
  const before = await owners();
  await members.member(alone).kill();
  let changed = 0;
  for (const state of ['staged', '-', 'staged']) changed = await put('minting', state);
  await client.kv.compact((await client.status()).revision);
  members.member(alone).start();
  await until('it has the last change', () => acknowledged(changed, 'lb-1'));
  expect(one.applied?.pools[0]?.configs.map(({ id }) => id)).toEqual([0, 1]);
  await until('both are live', () => one.fleet.alive && cut.alive);
  expect(await owners()).toMatchObject(before);
});
