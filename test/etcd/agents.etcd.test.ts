// SPDX-License-Identifier: Apache-2.0
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type EtcdClient, withPrefix } from '../../registry/etcd/client/index.js';
import {
  countOut,
  FleetPicture,
  type FleetView,
  putAway,
} from '../../registry/etcd/fleet/index.js';
import { acknowledgement, Keys, valueText } from '../../registry/etcd/layout/index.js';
import { putDocument } from './fleet-document.js';
import { Members } from './members.js';
import { runCidctl } from './operators.js';
import { TestAgent, type TestAgentOptions } from './test-agent.js';
import { until } from './until.js';

const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);
let members: Members;
let client: EtcdClient;
let folder: string;
let agents: TestAgent[];
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());

beforeEach(() => {
  folder = mkdtempSync('/dev/shm/cidecar-agents-');
  agents = [];
});
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  rmSync(folder, { recursive: true, force: true });
  if (!members.member(0).running) members.member(0).start();
  await client.kv.remove(withPrefix(keys.root));
});

async function start(agent: string, more: Partial<TestAgentOptions> = {}): Promise<TestAgent> {
  const own = mkdtempSync(join(folder, `${agent}-`));
  const { endpoints } = members;
  const started = await TestAgent.start({ endpoints, prefix: PREFIX, agent, folder: own, ...more });
  agents.push(started);
  return started;
}

async function view(): Promise<FleetView> {
  const picture = new FleetPicture(keys);
  const { revision, entries } = await client.kv.list(keys.root);
  picture.begin(revision, entries);
  return picture.view;
}

/** Whether it joined or was counted out, as it remembers. */
function remembered({ folder: own }: TestAgent): string | undefined {
  try {
    return readFileSync(join(own, 'state.json.fleet'), 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** An announce hook, and what it was told. */
function recordingHook(): { readonly hook: string; readonly lines: () => string[] } {
  const hook = join(folder, 'hook');
  const told = join(folder, 'told');
  writeFileSync(hook, `#!/bin/sh\necho "$CIDECAR_ANNOUNCE $CIDECAR_REASON" >> ${told}\n`);
  chmodSync(hook, 0o755);
  const lines = () => {
    try {
      return readFileSync(told, 'utf8').trimEnd().split('\n');
    } catch {
      return [];
    }
  };
  return { hook, lines };
}

const says = (agent: TestAgent, text: string) =>
  agent.lines.some(({ msg }) => String(msg).includes(text));

test('an agent joins, and acknowledges what kernel and disk hold', async () => {
  const first = await putDocument(client, { configs: ['minting'] });
  const agent = await start('lb-1');
  await until('it is live', () => agent.fleet.alive && agent.attached);
  let now = await view();
  expect(now.acks.get('lb-1')?.value).toBe(first);
  expect(now.liveAgents.get('lb-1')?.value).toMatchObject({ host: 'test', since: first });
  await until('it says what it holds', async () => (await view()).held.get('lb-1') !== undefined);
  now = await view();
  expect(Object.keys(now.held.get('lb-1')?.value ?? {})).toEqual(['web/0']);
  expect(now.held.get('lb-1')?.lease).toBe(now.liveAgents.get('lb-1')?.lease);
  // Acknowledgements outlive the lease.
  expect(now.acks.get('lb-1')?.lease).toBe('0');

  const second = await putDocument(client, { configs: ['minting', 'staged'] });
  await until('it acknowledges', async () => (await view()).acks.get('lb-1')?.value === second);
  await until('it says what it holds', async () => {
    return Object.keys((await view()).held.get('lb-1')?.value ?? {}).length === 2;
  });

  agent.diskFails = true;
  const third = await putDocument(client, { configs: ['retiring', 'minting'] });
  await until('its kernel has it', () => agent.revision === third);
  // A change later than the one that is not on disk, in the order of the same connection.
  await client.kv.put(keys.held('other'), '{}');
  expect((await view()).acks.get('lb-1')?.value).toBe(second);
  agent.diskFails = false;
  const fourth = await putDocument(client, { configs: ['retiring', 'minting', 'staged'] });
  await until('it acknowledges', async () => (await view()).acks.get('lb-1')?.value === fourth);
});

test('an agent announces itself before it is live, and only when it has a whole state', async () => {
  await putDocument(client, { configs: ['minting'] });
  const agent = await start('lb-1');
  agent.hold();
  await until('it has the state', () => agent.registry.connected);
  expect((await view()).acks.size).toBe(0);
  expect(agent.attached).toBe(false);
  agent.release();
  await until('it is live', () => agent.fleet.alive);
});

test('what an agent that lags holds is seen', async () => {
  const first = await putDocument(client, { configs: ['minting'] });
  const one = await start('lb-1');
  const two = await start('lb-2');
  await until('both are live', () => one.fleet.alive && two.fleet.alive);
  two.hold();
  const second = await putDocument(client, { configs: ['minting', 'staged'] });
  await until('one acknowledges', () => one.acknowledged === second);
  expect((await view()).acks.get('lb-2')?.value).toBe(first);
  two.release();
  await until('both acknowledge', async () => (await view()).acks.get('lb-2')?.value === second);
});

test('an agent that was counted out joins again when it has caught up', async () => {
  await putDocument(client, { configs: ['minting'] });
  const agent = await start('lb-1', { fleet: { withdrawAfterMs: 3_600_000 } });
  await until('it is live', () => agent.fleet.alive && agent.fleet.announced);
  agent.hold();
  const second = await putDocument(client, { configs: ['minting', 'staged'] });
  await client.kv.txn(countOut(keys, 'lb-1', { by: 'test', why: 'it is slow' }));
  await until('it hears of it', () => agent.fleet.standing === 'counted out');
  expect(agent.fleet.announced).toBe(false);
  await until('it remembers it', () => remembered(agent) === 'out');
  // It must hold up nobody while it is behind.
  await until('it looked', () => says(agent, 'counted this agent out'));
  expect((await view()).acks.size).toBe(0);
  agent.release();
  await until('it is live', () => agent.fleet.alive);
  const now = await view();
  expect(now.acks.get('lb-1')?.value).toBe(second);
  expect(now.countedOut.size).toBe(0);
  await until('it is announced', () => agent.fleet.announced);
});

test('an agent that was put away comes back', async () => {
  await putDocument(client, { configs: ['minting'] });
  const agent = await start('lb-1');
  await until('it is live', () => agent.fleet.alive);
  await client.kv.remove(keys.liveAgent('lb-1'));
  const away = putAway(keys, await view(), 'lb-1');
  if (away === undefined) throw new Error('it can be put away');
  await client.kv.txn(away);
  await until('it is there again', async () => {
    const now = await view();
    return now.acks.size === 1 && now.liveAgents.size === 1 && now.stale.size === 0;
  });
});

test('two agents with one name are told, and the second does not take part', async () => {
  const first = await putDocument(client, { configs: ['minting'] });
  const one = await start('lb-1', { fleet: { host: 'one' } });
  await until('it is live', () => one.fleet.alive);
  const two = await start('lb-1');
  await until('it is told', () => says(two, 'another agent has this name'));
  expect(two.fleet.standing).toBe('name taken');
  expect(two.attached).toBe(false);
  expect(one.fleet.alive).toBe(true);

  // Its program routes on when it has stopped, so the others wait for it, and not for the second.
  await one.stop();
  agents.splice(agents.indexOf(one), 1);
  await putDocument(client, { configs: ['minting', 'staged'] });
  await until('it is told again', () => says(two, 'cidctl agents count-out lb-1'));
  const line = two.lines.find(({ msg }) => String(msg).includes('count-out'));
  expect(line).toMatchObject({ level: 50, host: 'one' });
  expect(two.attached).toBe(false);
  expect((await view()).acks.get('lb-1')?.value).toBe(first);
  const away = putAway(keys, await view(), 'lb-1');
  if (away === undefined) throw new Error('it can be put away');
  await client.kv.txn(away);
  await client.kv.put(keys.held('other'), '{}');
  expect((await view()).stale.get('lb-1')?.value).toBe(first);

  const printed = await runCidctl(
    `agents count-out lb-1 --reason gone --registry ${members.address}`.split(' '),
  );
  expect(printed.code).toBe(0);
  await until('the name is free', () => two.fleet.alive && two.attached);
  expect((await view()).stale.size).toBe(0);

  // The first does not take the name back.
  const back = await start('lb-1', { folder: one.folder, driver: one.driver });
  await until('it is told', () => says(back, 'another agent has this name'));
  await two.kill();
  agents.splice(agents.indexOf(two), 1);
  await until('it is told again', () => says(back, 'cidctl agents count-out lb-1'));
});

test('an agent that lost its state folder is the same one, on its machine', async () => {
  await putDocument(client, { configs: ['minting'] });
  const machine = 'machine and pins';
  const one = await start('lb-1', { fleet: { place: { machine } } });
  await until('it is live', () => one.fleet.alive);
  await one.stop();
  agents.splice(agents.indexOf(one), 1);
  const two = await start('lb-1', { fleet: { place: { machine } } });
  await until('it is live', () => two.fleet.alive && two.attached);
  await two.stop();
  agents.splice(agents.indexOf(two), 1);
  const elsewhere = await start('lb-1', { fleet: { place: { machine: 'another' } } });
  await until('it is told', () => says(elsewhere, 'another agent has this name'));
});

test('an agent whose name another one took meanwhile wants no packets', async () => {
  await putDocument(client, { configs: ['minting'] });
  const agent = await start('lb-1');
  await until('it is announced', () => agent.fleet.alive && agent.fleet.announced);
  const other = { identity: 'another', host: 'elsewhere', since: 1 };
  await client.kv.put(keys.liveAgent('lb-1'), valueText(other));
  await putDocument(client, { configs: ['minting', 'staged'] });
  await until('its name is taken', () => agent.fleet.standing === 'name taken');
  expect(agent.attached).toBe(true);
  expect(agent.fleet.announced).toBe(false);
  await client.kv.remove(keys.liveAgent('lb-1'));
  await until('it is announced again', () => agent.fleet.alive && agent.fleet.announced);
});

test('an agent that was counted out joins only when its disk says so', async () => {
  await putDocument(client, { configs: ['minting'] });
  const agent = await start('lb-1');
  await until('it remembers that it joined', () => remembered(agent) === 'joined');
  const file = join(agent.folder, 'state.json.fleet');
  rmSync(file);
  mkdirSync(file);
  await client.kv.txn(countOut(keys, 'lb-1', { by: 'test', why: 'it is slow' }));
  await until('it is refused', () => JSON.stringify(agent.lines).includes('STATE_UNWRITABLE'));
  let now = await view();
  expect(now.acks.size).toBe(0);
  expect(now.countedOut.size).toBe(1);
  rmdirSync(file);
  await until('it is live', () => agent.fleet.alive && remembered(agent) === 'joined');
  now = await view();
  expect(now.countedOut.size).toBe(0);
});

test('an agent that restarts is the same one, and attaches at once', async () => {
  await putDocument(client, { configs: ['minting'] });
  const one = await start('lb-1', { ttl: 60 });
  await until('it is live', () => one.fleet.alive);
  await one.kill();
  // Its lease lives on, so it would be told if it were another one.
  expect((await view()).liveAgents.size).toBe(1);
  const two = await start('lb-1', { ttl: 60, folder: one.folder, driver: one.driver });
  await until('it is live', () => two.fleet.alive && two.attached);
  expect(says(two, 'another agent has this name')).toBe(false);
});

test('when etcd lies low nobody is counted out, and all converge', async () => {
  const first = await putDocument(client, { configs: ['minting'] });
  const pair = [await start('lb-1'), await start('lb-2')];
  await until('both are live', () => pair.every(({ fleet }) => fleet.alive));
  const before = await view();
  members.pauseAll();
  try {
    await until('it is away for longer than a lease', () => {
      return pair.every(({ fleet }) => (fleet.leaseAgeMs ?? 0) > 6_000 || !fleet.alive);
    });
  } finally {
    members.resumeAll();
  }
  await until('all are live again', async () => {
    const now = await view();
    return ['lb-1', 'lb-2'].every((agent) => {
      const seen = now.liveAgents.get(agent);
      return seen !== undefined && seen.lease !== before.liveAgents.get(agent)?.lease;
    });
  });
  const now = await view();
  expect([...now.acks.in('').values()].map(({ value }) => value)).toEqual([first, first]);
  expect(now.stale.size + now.countedOut.size).toBe(0);
  const second = await putDocument(client, { configs: ['minting', 'staged'] });
  await until('they acknowledge', async () => {
    return [...(await view()).acks.in('').values()].every(({ value }) => value === second);
  });
});

test('while etcd is away an agent starts from its disk, if it was not counted out', async () => {
  await putDocument(client, { configs: ['minting'] });
  const one = await start('lb-1');
  const two = await start('lb-2');
  await until('both are live', () => one.fleet.alive && two.fleet.alive);
  await until('they remember it', () => {
    return [one, two].every((each) => remembered(each) === 'joined');
  });
  await Promise.all([one.stop(), two.stop()]);
  agents = [];
  writeFileSync(join(two.folder, 'state.json.fleet'), 'out\n');
  await members.member(0).kill();
  const again = await start('lb-1', { folder: one.folder });
  const out = await start('lb-2', { folder: two.folder });
  await until('it routes', () => again.attached && again.revision > 0);
  await until('the other has its state', () => out.revision > 0);
  expect(out.attached).toBe(false);
  members.member(0).start();
  await until('all are live', () => again.fleet.alive && out.fleet.alive && out.attached);
  const next = await putDocument(client, { configs: ['minting', 'staged'] });
  await until('they acknowledge', async () => {
    return [...(await view()).acks.in('').values()].every(({ value }) => value === next);
  });
});

test('an agent that is stale has its hook called', async () => {
  await putDocument(client, { configs: ['minting'] });
  const { hook, lines } = recordingHook();
  const agent = await start('lb-1', { fleet: { withdrawAfterMs: 1_500, hook } });
  await until('it is announced', () => agent.fleet.alive && lines().at(-1)?.trim() === 'up');
  await members.member(0).kill();
  await until('it is withdrawn', () => lines().at(-1)?.startsWith('down the registry') ?? false);
  expect(agent.attached).toBe(true);
  members.member(0).start();
  await until('it is announced again', () => lines().at(-1)?.trim() === 'up');
});

test('an agent that others went on without is announced when it has caught up', async () => {
  await putDocument(client, { configs: ['minting'] });
  const one = await start('lb-1');
  await until('it is announced', () => one.fleet.alive && one.fleet.announced);
  await one.stop();
  agents = [];
  const gone = putAway(keys, await view(), 'lb-1');
  if (gone !== undefined) await client.kv.txn(gone);
  await until('it is away', async () => (await view()).stale.size === 1);
  const { hook, lines } = recordingHook();
  const fleet = { hook };
  const again = await start('lb-1', { folder: one.folder, driver: one.driver, fleet });
  // What is pinned routes; a disk that takes nothing keeps it from joining.
  again.attached = true;
  again.diskFails = true;
  await until('it is told', () => lines().at(-1)?.startsWith('down the others') ?? false);
  expect(again.fleet.announced).toBe(false);
  again.diskFails = false;
  await putDocument(client, { configs: ['minting', 'staged'] });
  await until('it is announced', () => again.fleet.alive && lines().at(-1)?.trim() === 'up');
});

test('an agent that restarts while gates wait for it is never withdrawn', async () => {
  await putDocument(client, { configs: ['minting'] });
  const one = await start('lb-1');
  await until('it is live', () => one.fleet.alive);
  await one.stop();
  agents = [];
  const { hook, lines } = recordingHook();
  const fleet = { hook };
  const again = await start('lb-1', { folder: one.folder, driver: one.driver, fleet });
  again.attached = true;
  await until('it is live', () => again.fleet.alive && lines().length > 0);
  expect(new Set(lines().map((line) => line.trim()))).toEqual(new Set(['up']));
});

test('an agent that starts from its disk is as stale as it can be', async () => {
  await putDocument(client, { configs: ['minting'] });
  const one = await start('lb-1');
  await until('it remembers that it joined', () => remembered(one) === 'joined');
  await one.stop();
  agents = [];
  await members.member(0).kill();
  const { hook, lines } = recordingHook();
  const fleet = { hook, withdrawAfterMs: 3_600_000 };
  const again = await start('lb-1', { folder: one.folder, driver: one.driver, fleet });
  await until('it is told', () => lines().at(-1)?.startsWith('down the registry') ?? false);
  expect(again.attached).toBe(true);
  members.member(0).start();
  await until('it is announced', () => again.fleet.alive && lines().at(-1)?.trim() === 'up');
});

test('an acknowledgement that somebody set back is said again', async () => {
  const revision = await putDocument(client, { configs: ['minting'] });
  const agent = await start('lb-1');
  await until('it is live', () => agent.fleet.alive);
  await client.kv.put(keys.ack('lb-1'), acknowledgement(1));
  await until('it is said', async () => (await view()).acks.get('lb-1')?.value === revision);
});
