// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type EtcdClient, withPrefix } from '../../registry/etcd/client/index.js';
import { FleetPicture, type FleetView } from '../../registry/etcd/fleet/index.js';
import { Keys, valueText } from '../../registry/etcd/layout/index.js';
import { putPool } from './fleet-document.js';
import { MemberProxy } from './member-proxy.js';
import { Members } from './members.js';
import { Registrants, readyAtLast } from './registrants.js';
import { TestAgent } from './test-agent.js';
import { until } from './until.js';

const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);

let members: Members;
let client: EtcdClient;
let scratch: string;
let agents: TestAgent[];
let registrants: Registrants;
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());

beforeEach(() => {
  scratch = mkdtempSync('/dev/shm/cidecar-allocation-');
  agents = [];
  registrants = new Registrants(members.endpoints, PREFIX);
});
afterEach(async () => {
  await registrants.close();
  await Promise.all(agents.map((agent) => agent.stop()));
  rmSync(scratch, { recursive: true, force: true });
  await client.kv.remove(withPrefix(keys.root));
});

async function agent(name: string): Promise<TestAgent> {
  const own = mkdtempSync(join(scratch, `${name}-`));
  const { endpoints } = members;
  const of = { endpoints, prefix: PREFIX, agent: name, folder: own, ttl: 30 };
  const started = await TestAgent.start(of);
  agents.push(started);
  await until(`${name} is live`, () => started.fleet.alive);
  return started;
}

async function view(): Promise<FleetView> {
  const picture = new FleetPicture(keys);
  const { revision, entries } = await client.kv.list(keys.root);
  picture.begin(revision, entries);
  return picture.view;
}

/** Owners by `<config>/<hex>`. */
async function owned(): Promise<Map<string, string>> {
  const prefix = keys.ids('web');
  const { entries } = await client.kv.list(prefix);
  return new Map(
    entries.map(({ key, value }) => [
      key.slice(prefix.length),
      JSON.parse(value.toString()).server,
    ]),
  );
}

/** Registers many servers at once; returns the milliseconds that it took all of them. */
async function registerAtOnce(count: number, clients = 10): Promise<number> {
  const registries = Array.from({ length: clients }, () => registrants.registry());
  const began = performance.now();
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const registry = registries[i % clients];
      if (registry === undefined) throw new Error('there is a registry');
      const registration = registrants.begin(`web-${i + 1}`, registry, { ttl: 60 });
      await readyAtLast(registration);
    }),
  );
  return performance.now() - began;
}

test('200 servers at once get dense IDs from the controller, each its own', async () => {
  await putPool(client, { configs: ['minting'], allocation: {} });
  await agent('lb-1');
  const took = await registerAtOnce(200);
  console.log(`200 registrations with a controller: ${Math.round(took)} ms`);
  const ids = await owned();
  expect(new Set(ids.values()).size).toBe(200);
  const expected = Array.from(
    { length: 200 },
    (_, i) => `0/${(i + 1).toString(16).padStart(6, '0')}`,
  );
  expect([...ids.keys()]).toEqual(expected);
  const { requests } = await view();
  for (const [server, { value }] of requests.in('web')) {
    const [hex] = value.granted['0'] ?? [];
    expect(ids.get(`0/${hex}`)).toBe(server);
  }
});

test('200 servers at once help themselves while there is no controller', async () => {
  await putPool(client, { configs: ['minting'], allocation: {} });
  const took = await registerAtOnce(200);
  console.log(`200 registrations without a controller: ${Math.round(took)} ms`);
  const ids = await owned();
  expect(ids.size).toBe(200);
  expect(new Set(ids.values()).size).toBe(200);
  console.log(`the highest ID is ${[...ids.keys()].at(-1)}`);
});

test('no ID is given twice while controllers change, answers are lost, and sidecars help themselves', async () => {
  await putPool(client, { configs: ['minting'], allocation: { first: 1, last: 50 } });
  const first = await agent('lb-1');
  await agent('lb-2');
  const proxy = await MemberProxy.before(members.member(0).endpoint);
  try {
    const flaky = registrants.registry([proxy.endpoint]);
    const steady = registrants.registry();
    const all = Array.from({ length: 60 }, (_, i) => {
      const registry = i % 3 === 0 ? flaky : steady;
      return registrants.begin(`web-${i + 1}`, registry, { ttl: 60, chainAfterMs: 0 });
    });
    const settled = Promise.all(all.map((each) => each.ready().catch(() => undefined)));
    await until('some are there', async () => (await owned()).size >= 5);
    proxy.loseAnswers();
    await first.kill();
    // As if its lease were over: a controller that does not know it yet goes on.
    await client.kv.remove(withPrefix(keys.controllers));
    await until('more are there', async () => (await owned()).size >= 15);
    proxy.mend();
    await client.kv.remove(withPrefix(keys.controllers));
    await settled;
    await until('the pool is full', async () => (await owned()).size === 50);
    const ids = await owned();
    expect(new Set(ids.values()).size).toBe(50);
    const { requests } = await view();
    for (const [server, { value }] of requests.in('web')) {
      const granted = value.granted['0'] ?? [];
      expect(granted.length).toBeLessThanOrEqual(1);
      for (const hex of granted) expect(ids.get(`0/${hex}`)).toBe(server);
    }
    // Ten found no ID free, and are servers nevertheless.
    await until('all are servers', async () => {
      return (await client.kv.count(keys.servers('web'))).count === 60;
    });
  } finally {
    await proxy.close();
  }
});

test('a server that asks with another address is handed out nothing, and says why', async () => {
  await putPool(client, {
    configs: ['minting'],
    servers: { 'web-1': ['000001'] },
    allocation: { idsPerServer: 2 },
  });
  const registry = registrants.registry();
  const moved = registrants.begin('web-1', registry, { address: '10.0.9.9', chainAfterMs: 1 });
  const second = { address: '198.51.100.10', chainAfterMs: 1 };
  const vip = registrants.begin('web-2', registry, second);
  await Promise.all([
    moved.ready(),
    Promise.race([
      vip.ready(),
      until('they say why', () => {
        const reasons = registrants.lines.map(({ reason }) => String(reason));
        return ['is 10.0.1.1 in the registry', '198.51.100.10 is a VIP'].every((text) =>
          reasons.some((reason) => reason.includes(text)),
        );
      }),
    ]),
  ]);
  expect([...(await owned())]).toEqual([['0/000001', 'web-1']]);
});

test('a server that waits for a controller says for which', async () => {
  await putPool(client, { configs: ['minting'], allocation: {} });
  await client.kv.put(keys.controller('web'), valueText({ agent: 'lb-7' }));
  const waiting = registrants.begin('web-1', registrants.registry());
  const ready = waiting.ready().catch(() => {});
  await until('it says so', () => {
    return registrants.lines.some(({ reason }) => String(reason).includes('agent lb-7'));
  });
  await client.kv.remove(keys.controller('web'));
  await ready;
});

test('a request says a hold only when the disk of the sidecar has it', async () => {
  await putPool(client, { configs: ['minting'], allocation: { hold: 600 } });
  let disk = false;
  const options = { chainAfterMs: 1, saves: () => disk };
  const waiting = registrants.begin('web-1', registrants.registry(), options);
  const ready = waiting.ready();
  await until('it is refused', () => {
    return JSON.stringify(registrants.lines).includes('STATE_UNWRITABLE');
  });
  expect((await view()).requests.size).toBe(0);
  disk = true;
  await ready;
  expect((await view()).requests.get('web/web-1')?.value.hold).toBe(600);
});
