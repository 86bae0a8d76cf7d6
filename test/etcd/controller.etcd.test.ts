// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Controller } from '../../lb-agent/fleet/controller.js';
import type { ControllerOptions } from '../../lb-agent/fleet/controller-options.js';
import { DUTIES } from '../../lb-agent/fleet/duties/index.js';
import { type EtcdClient, type Lease, present } from '../../registry/etcd/client/index.js';
import { EtcdRegistry } from '../../registry/etcd/index.js';
import { acknowledgement, Keys } from '../../registry/etcd/layout/index.js';
import { keyring } from '../../registry/etcd/testing/documents.js';
import { putPool } from './fleet-document.js';
import { Members } from './members.js';
import { until } from './until.js';

// What one controller cannot do keeps neither its other tasks, nor other agents, from their work.

const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);

let members: Members;
let client: EtcdClient;
let registry: EtcdRegistry;
let controllers: Controller[];
let leases: Lease[];
beforeEach(async () => {
  members = await Members.start();
  client = members.client();
  registry = new EtcdRegistry(members.client(), { keyring: keyring() });
  [controllers, leases] = [[], []];
  await putPool(client, { configs: ['minting'], allocation: {} });
});
afterEach(async () => {
  await Promise.all(controllers.map((each) => each.close()));
  await Promise.all(leases.map((each) => each.revoke()));
  await registry.close();
  await members.dispose();
});

function begin(agent: string, more: Partial<ControllerOptions> = {}): Controller {
  const lease = client.lease({ ttl: 30 }, { onGranted: () => {}, onTrouble: () => {} });
  leases.push(lease);
  const log = pino({ level: 'silent' });
  const own = { client, keys, agent, log, lease: () => lease.id };
  const controller = new Controller({ ...own, ...more });
  controllers.push(controller);
  return controller;
}

const whoControls = async () =>
  JSON.parse((await client.kv.get(keys.controller('web')))?.value.toString() ?? '{}').agent;

async function ask(server: string): Promise<void> {
  const address = `10.0.9.${server.slice(4)}`;
  await client.kv.put(keys.request('web', server), JSON.stringify({ address, identity: server }));
}

async function given(server: string): Promise<boolean> {
  const found = await client.kv.get(keys.request('web', server));
  return Object.keys(JSON.parse(found?.value.toString() ?? '{}').granted ?? {}).length > 0;
}

test('IDs are handed out also when the lease of events is gone', async () => {
  const controller = begin('lb-1');
  await registry.watch({ onChange: (state) => controller.desired(state), onError: () => {} });
  controller.desired(await registry.read());
  await ask('web-1');
  await until('web-1 has an ID', () => given('web-1'));
  const allocations = async () =>
    (await client.kv.list(keys.events)).entries.filter(({ value }) =>
      value.toString().includes('"allocate"'),
    );
  const [event] = await allocations();
  await members.etcdctl('lease', 'revoke', BigInt(event?.lease ?? '').toString(16));
  await ask('web-2');
  await until('web-2 has an ID', () => given('web-2'));
  expect(await allocations()).toHaveLength(1);
});

test('a task that fails keeps no other from being done', async () => {
  const fails = async () => {
    throw new Error('it cannot be read');
  };
  const never = async () => ({
    task: 'rest' as const,
    what: 'what never holds',
    transaction: { when: [present(`${keys.root}nothing`)], success: [] },
  });
  const controller = begin('lb-1', { duties: [fails, never, ...DUTIES] });
  controller.desired(await registry.read());
  await ask('web-1');
  await until('web-1 has an ID', () => given('web-1'));
});

test('an agent that cannot take the newest state puts others away, and gives its term up', async () => {
  const first = begin('lb-1', { graceMs: 1, behindMs: 2_000 });
  first.desired(await registry.read());
  await until('it is the controller', async () => (await whoControls()) === 'lb-1');
  // From now on there is a state that it cannot take.
  await putPool(client, { configs: ['minting', 'staged'], allocation: {} });
  await ask('web-1');
  await client.kv.put(keys.ack('lb-9'), acknowledgement(1));
  await until('lb-9 is away', async () => (await client.kv.get(keys.stale('lb-9'))) !== undefined);
  const second = begin('lb-2');
  second.desired(await registry.read());
  await until('another one is the controller', async () => (await whoControls()) === 'lb-2');
  await until('web-1 has an ID', () => given('web-1'));
});

test('it says for how long a config has been in quarantine, and anew for another one', async () => {
  const allocation = { connectionAge: 80 };
  await putPool(client, { configs: ['minting', 'quarantined'], allocation });
  let now = 0;
  const controller = begin('lb-1', { now: () => now });
  await registry.watch({ onChange: (state) => controller.desired(state), onError: () => {} });
  controller.desired(await registry.read());
  const config = async () => (await client.kv.get(keys.config('web', 1)))?.modRevision;
  const said = async () => {
    const found = await client.kv.get(keys.quarantine('web', 1));
    return found && JSON.parse(found.value.toString());
  };
  await until('it is the controller', async () => (await whoControls()) === 'lb-1');
  const first = await config();
  await until('it has counted a part', async () => {
    now += 1_000;
    return (await said()) !== undefined;
  });
  const part = await said();
  expect(part.of).toBe(first);
  // An eighth is worth to be said; before that nothing was.
  expect(part.seconds).toBeGreaterThanOrEqual(10);
  now += 80_000;
  await until('it has rested', async () => (await said()).seconds >= 80);

  await putPool(client, { configs: ['minting', 'retiring'], allocation });
  await until('it is not quarantined', async () => (await said()) === undefined);
  await putPool(client, { configs: ['minting', 'quarantined'], allocation });
  const second = await config();
  await until('it counts anew', async () => {
    now += 100;
    return (await said())?.of === second;
  });
  // Nothing of the former quarantine counts, which was over.
  expect((await said()).seconds).toBeLessThan(80);
  expect([...controller.counts.steps]).toContainEqual(
    expect.objectContaining({ pool: 'web', task: 'quarantines' }),
  );
});
