// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type EtcdClient, withPrefix } from '../../registry/etcd/client/index.js';
import { quietServer } from '../../registry/etcd/fleet/index.js';
import { acknowledgement, Keys, valueText } from '../../registry/etcd/layout/index.js';
import { nodeArgv } from '../netns/process.js';
import { putDocument, putPool } from './fleet-document.js';
import { Members } from './members.js';
import { type Cidctl, cidctlFor } from './operators.js';
import { TestAgent, type TestAgentOptions } from './test-agent.js';
import { until } from './until.js';

const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);
const SERVERS = { 'web-1': ['0a0b0c'], 'web-2': ['0a0b0d', '0a0b0e'] };

let members: Members;
let client: EtcdClient;
let cidctl: Cidctl;
let folder: string;
let agents: TestAgent[];
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
  cidctl = cidctlFor(`${members.address}${PREFIX}`);
});
afterAll(() => members?.dispose());
beforeEach(() => {
  folder = mkdtempSync('/dev/shm/cidecar-operators-');
  agents = [];
});
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  rmSync(folder, { recursive: true, force: true });
  await client.kv.remove(withPrefix(keys.root));
});

async function agent(name: string, more: Partial<TestAgentOptions> = {}): Promise<TestAgent> {
  const own = mkdtempSync(join(folder, `${name}-`));
  const { endpoints } = members;
  const options = { endpoints, prefix: PREFIX, agent: name, folder: own, ...more };
  const started = await TestAgent.start(options);
  agents.push(started);
  await until(`${name} is live`, () => started.fleet.alive);
  return started;
}

async function json(line: string) {
  const { code, out, err } = await cidctl(`${line} --json`);
  return { code, err, value: JSON.parse(out) };
}

/** A sidecar, as others see it. */
function sidecar(server: string, issuing: number | null): Promise<number> {
  const value = valueText({ identity: server, issuing, waitingFor: [], older: { 1: 3 } });
  return client.kv.put(keys.liveServer('web', server), value);
}

const mark = (server: string, config = 0) =>
  client.kv.put(keys.use('web', config, server), valueText({ identity: server }));

test('tables show what the fleet is, and JSON the same', async () => {
  const revision = await putDocument(client, { configs: ['minting', 'staged'], servers: SERVERS });
  await agent('lb-1');
  await until('it says what it holds', async () => {
    return (await client.kv.get(keys.held('lb-1'))) !== undefined;
  });
  await client.kv.put(keys.ack('lb-2'), acknowledgement(1));
  await client.kv.put(keys.stale('lb-3'), acknowledgement(1));
  await sidecar('web-1', 0);
  await mark('web-1');
  await mark('web-9');

  const servers = await cidctl('servers');
  expect(servers.code).toBe(0);
  expect(servers.out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ...[['POOL', 'SERVER', 'ADDRESS', 'STATE', 'WEIGHT', 'IDS', 'SIDECAR', 'ISSUES']].map((a) => [
      ...a,
      ...['MAY ISSUE', 'OLDER', 'NO PACKET FOR', 'REMARKS'],
    ]),
    [
      'web',
      'web-1',
      '10.0.1.1',
      'active',
      '100',
      '0: 1, 1: 1',
      'live',
      'config 0',
      '0',
      '1: 3',
      '-',
      '-',
    ],
    [
      ...['web', 'web-2', '10.0.1.2', 'active', '100', '0: 2, 1: 2', 'silent', '-', '-', '-', '-'],
      'no sign of life',
    ],
    [
      ...['web', 'web-9', '-', 'gone', '-', '-', 'silent', '-', '0', '-', '-'],
      'not in the registry any more; no sign of life',
    ],
  ]);
  expect((await json('servers')).value).toMatchObject({
    revision: `etcd-${revision}`,
    servers: [
      { server: 'web-1', live: true, issuing: 0, marks: [0], older: { 1: 3 }, stale: [] },
      { server: 'web-2', live: false, issuing: null, ids: { 0: 2, 1: 2 } },
      { server: 'web-9', address: null, state: null, marks: [0] },
    ],
  });

  const { value } = await json('agents');
  expect(value.agents).toMatchObject([
    { agent: 'lb-1', condition: 'live', behind: false, differs: [], lacks: [], stale: [] },
    { agent: 'lb-2', condition: 'silent', behind: true, acknowledged: 1 },
    { agent: 'lb-3', condition: 'away', behind: true },
  ]);
  expect((await json('configs')).value.configs).toMatchObject([
    { config: 0, state: 'minting', marks: ['web-1', 'web-9'], waitingFor: [{ agent: 'lb-2' }] },
    { config: 1, state: 'staged', encrypted: false, opens: true, marks: [] },
  ]);
  expect((await cidctl('configs --pool web')).out).toMatch(/not by lb-2 \(no sign of life\)/);
  expect((await json('pools')).value.pools).toMatchObject([
    {
      pool: 'web',
      configs: { minting: [0], staged: [1] },
      servers: { active: 2, draining: 0, down: 0 },
      live: 1,
      heldByAll: 1,
      stale: ['some balancer is behind'],
    },
  ]);
});

test('what is stale is red on a terminal, and nowhere else', async () => {
  await putDocument(client, { configs: ['minting'], servers: SERVERS });
  await client.kv.put(keys.ack('lb-2'), acknowledgement(1));
  const red = '\u001b[31m';
  const plain = await cidctl('agents');
  expect(plain.out).not.toContain('\u001b');
  const coloured = await cidctl('agents', { colours: true });
  expect(coloured.out).toContain(`${red}silent`);
  expect(coloured.out).not.toContain(`${red}lb-2`);
  // Colours do not move columns.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are made of them
  expect(coloured.out.replaceAll(/\u001b\[\d+m/g, '')).toBe(plain.out);
});

test('an agent with another key is named', async () => {
  await putDocument(client, { configs: ['minting'] });
  await agent('lb-1');
  await until('it says what it holds', async () => {
    return (await client.kv.get(keys.held('lb-1'))) !== undefined;
  });
  expect((await json('agents')).value.agents[0].differs).toEqual([]);
  await client.kv.put(keys.held('lb-1'), valueText({ 'web/0': '00'.repeat(16) }));
  expect((await json('agents')).value.agents[0].differs).toEqual(['web/0']);
  expect((await json('configs')).value.configs[0].differs).toEqual(['lb-1']);
});

test('a server is drained when all acknowledged it and nobody sends it packets', async () => {
  await putDocument(client, { configs: ['minting'], servers: SERVERS });
  const name = quietServer('web', 'web-1');
  let packets = 1;
  let traffic = true;
  const serverPackets = () => {
    if (traffic) packets += 1;
    return new Map([[name, packets]]);
  };
  const lb = await agent('lb-1', { fleet: { serverPackets } });
  lb.hold();
  const lines: string[] = [];
  let ended = false;
  const draining = cidctl('drain web-1 --wait --quiet 5').then((result) => {
    ended = true;
    lines.push(...result.err.split('\n'));
    return result;
  });
  await until('it is draining', async () => {
    return (await json('servers')).value.servers[0].state === 'draining';
  });
  lb.release();
  await until('the agent says that packets come', async () => {
    const value = (await client.kv.get(keys.quiet('lb-1')))?.value.toString() ?? '{}';
    return JSON.parse(value)[name] === 0;
  });
  expect(ended).toBe(false);
  traffic = false;
  const { code, out } = await draining;
  expect([code, out.split('\n').at(-1)]).toEqual([
    0,
    'server web-1: all balancers acknowledged it, and sent it no packet for 5 s',
  ]);
  expect(lines[0]).toMatch(/^waiting for lb-1 to acknowledge etcd-\d+$/);
  expect(lines.some((line) => line.startsWith('acknowledged; waiting until no packet'))).toBe(true);
  expect((await json('servers')).value.servers[0].quietSeconds).toBeGreaterThanOrEqual(5);

  expect((await cidctl('down web-1 --wait --quiet 5')).code).toBe(0);
  const back = await json('undrain web-1 --wait');
  expect(back).toMatchObject({ code: 0, value: { before: 'down', state: 'active', waited: true } });
  expect((await cidctl('undrain web-1')).out).toMatch(/^server web-1 of pool web is active since/);
});

test('waiting ends when somebody takes the change back', async () => {
  await putDocument(client, { configs: ['minting'], servers: SERVERS });
  await client.kv.put(keys.ack('lb-1'), acknowledgement(1));
  const waiting = cidctl('drain web-1 --wait');
  await until('it is draining', async () => {
    return (await json('servers')).value.servers[0].state === 'draining';
  });
  expect((await cidctl('undrain web-1')).code).toBe(0);
  const { code, err } = await waiting;
  expect(code).toBe(1);
  expect(err).toMatch(/server web-1 is active meanwhile, and no longer draining/);
});

test('what loses connections is refused, and recorded where it is forced', async () => {
  await putDocument(client, { configs: ['minting'], servers: SERVERS });
  const refused = await cidctl('down web-1');
  expect(refused.code).toBe(3);
  expect(refused.out).toMatch(/^server-down-at-once \(loses connections\)/);
  expect(refused.err).toMatch(/stays active; .*--force server-down-at-once$/);
  expect((await json('servers')).value.servers[0].state).toBe('active');
  expect((await cidctl('down web-1 --force server-down-at-once')).code).toBe(0);
  const last = await json('drain web-2');
  expect(last).toMatchObject({
    code: 3,
    value: { state: 'draining', refused: [{ name: 'no-server-takes-connections' }] },
  });
  const { out } = await cidctl('events --pool web');
  expect(out.split('\n').at(-1)).toMatch(
    /^\S+ etcd-\d+ cidctl \S+ down: server web-1 of pool web: active -> down \(forced: server-down-at-once\)$/,
  );
  const unknown = await cidctl('drain web-7');
  expect([unknown.code, unknown.err]).toEqual([
    2,
    expect.stringMatching(/^cidctl: there is no server web-7 in the registry \(SERVER_UNKNOWN\)/),
  ]);
});

test('two operators at once do not drain the last two servers', async () => {
  for (let round = 0; round < 5; round += 1) {
    await putDocument(client, { configs: ['minting'], servers: SERVERS });
    const codes = await Promise.all([cidctl('drain web-1'), cidctl('drain web-2')]);
    expect(codes.map(({ code }) => code).sort()).toEqual([0, 3]);
    await client.kv.remove(withPrefix(keys.root));
  }
});

test('a balancer is counted out with a reason, and back', async () => {
  await putDocument(client, { configs: ['minting'] });
  await client.kv.put(keys.stale('lb-1'), acknowledgement(1));
  const without = await cidctl('agents count-out lb-1');
  expect(without.code).toBe(2);
  expect(await client.kv.get(keys.stale('lb-1'))).toBeDefined();
  // Both say the same; one of them does it.
  const both = await Promise.all(
    [1, 2].map(() => json("agents count-out lb-1 --reason 'no power'")),
  );
  expect(both.map(({ value }) => value.before).sort()).toEqual([false, true]);
  expect((await json('agents')).value.agents).toMatchObject([
    { agent: 'lb-1', condition: 'counted out', countedOut: { why: 'no power' } },
  ]);
  const { out } = await cidctl('events --last 1');
  expect(out).toMatch(/ count-out: agent lb-1 counted out: no power$/);
  expect((await cidctl('agents count-in lb-1 --reason removed')).code).toBe(0);
  expect((await json('agents')).value.agents).toEqual([]);
  const unknown = await cidctl('agents count-in lb-1 --reason again');
  expect([unknown.code, unknown.err]).toEqual([
    2,
    expect.stringContaining('there is no agent lb-1 in the registry'),
  ]);
});

test('the marks of a server are forgotten only where it is silent', async () => {
  await putDocument(client, { configs: ['minting'] });
  await sidecar('web-1', 0);
  await mark('web-1');
  const refused = await cidctl('servers forget web-1');
  expect([refused.code, refused.err]).toEqual([
    2,
    expect.stringContaining('web-1 gives a sign of life: stop its sidecar'),
  ]);
  expect(await client.kv.get(keys.use('web', 0, 'web-1'))).toBeDefined();
  await client.kv.remove(keys.liveServer('web', 'web-1'));
  const done = await cidctl('servers forget web-1');
  expect(done).toMatchObject({ code: 0, out: 'web-1 of pool web: mark under config 0 forgotten' });
  expect(await client.kv.get(keys.use('web', 0, 'web-1'))).toBeUndefined();
  expect((await cidctl('servers forget web-1')).out).toBe('web-1 has no marks');
  expect((await cidctl('events --last 1')).out).toMatch(/ forget: server web-1 of pool web: mark/);
  expect((await cidctl('servers forget web-8')).code).toBe(2);
});

const move = (line: string) => cidctl(`move 0a0b0c --to web-2 ${line}`);

test('an ID is not moved while CIDs of it may live', async () => {
  const present = { configs: ['minting'], servers: SERVERS };
  await putDocument(client, present);
  const endless = await move('');
  expect([endless.code, endless.err]).toEqual([
    2,
    expect.stringContaining('pool web has no allocation, which says how long'),
  ]);
  await putPool(client, { ...present, allocation: { connectionAge: 60 } });
  const silent = await move('');
  expect(silent.err).toContain('server web-1 gives no sign of life and is active');
  await mark('web-1');
  await sidecar('web-1', 0);
  const used = await move('--config 0');
  expect([used.code, used.err]).toEqual([
    2,
    expect.stringContaining('server web-1 may issue under ID 0a0b0c of config 0'),
  ]);
  expect((await client.kv.list(keys.rest('web'))).entries).toEqual([]);
  expect((await cidctl('events')).out).not.toContain(' move');
});

test('an ID is moved through its rest', async () => {
  const servers = { 'web-1': ['0a0b0b', '0a0b0c', '0a0b0d'], 'web-2': ['0a0c00'] };
  const allocation = { connectionAge: 60 };
  await putPool(client, { configs: ['minting'], servers, allocation });
  await cidctl('drain web-1');
  await cidctl('down web-1');
  const left = await move('');
  expect(left.code).toBe(3);
  expect(left.out).toContain('ID 0a0b0c of config 0 of pool web leaves server web-1');
  expect(left.out).toContain('the document names ID 0a0b0c as one of web-1: change it there too');
  const { value } = await json('servers');
  expect(value.servers[0].ids).toEqual({ 0: 2 });
  const rest = await client.kv.get(keys.restId('web', 0, '0a0b0c'));
  expect(JSON.parse(rest?.value.toString() ?? '')).toMatchObject({ server: 'web-1', count: 1 });

  const waits = await move('');
  expect([waits.code, waits.out]).toEqual([
    3,
    expect.stringMatching(/is at rest; it waits for 60 s at most, .*; a balancer that is/),
  ]);
  const waiting = move('--wait');
  await client.kv.remove(keys.restId('web', 0, '0a0b0c'));
  expect(await waiting).toMatchObject({ code: 0 });
  expect((await json('servers')).value.servers.map(({ ids }: { ids: object }) => ids)).toEqual([
    { 0: 2 },
    { 0: 2 },
  ]);
  expect((await client.kv.list(keys.pinned('web'))).entries).toEqual([]);
  expect(await move('--config 0')).toMatchObject({ code: 0, out: 'server web-2 has ID 0a0b0c' });
  const { out } = await cidctl('events --last 2');
  expect(out.split('\n').map((line) => line.replace(/^.* move: /, ''))).toEqual([
    'ID 0a0b0c of config 0 of pool web leaves server web-1 and is at rest, for server web-2 then',
    'ID 0a0b0c of config 0 of pool web comes to server web-2',
  ]);
});

test('two operators that move one ID to two servers do it once', async () => {
  const servers = { 'web-1': ['0a0b0c'], 'web-2': [], 'web-3': [] };
  await putPool(client, { configs: ['minting'], servers, allocation: { connectionAge: 60 } });
  const free = 'move 0a0b0d --config 0 --to';
  const codes = await Promise.all(['web-2', 'web-3'].map((to) => cidctl(`${free} ${to}`)));
  expect(codes.map(({ code }) => code).sort()).toEqual([0, 2]);
  const owner = await client.kv.get(keys.id('web', 0, '0a0b0d'));
  expect(owner?.version).toBe(1);
});

test('events are followed as they come', async () => {
  await putDocument(client, { configs: ['minting'], servers: SERVERS });
  const address = `${members.address}${PREFIX}`;
  const args = ['events', '--follow', '--json', '--registry', address];
  const [program = '', ...argv] = nodeArgv('cidctl/main');
  const child = spawn(program, [...argv, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    let text = '';
    child.stdout.on('data', (octets) => {
      text += octets;
    });
    const seen = () =>
      text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line).what]));
    await until('it shows what was', () => seen().join() === 'apply');
    await cidctl('drain web-1');
    await cidctl('undrain web-1');
    await until('it shows what comes', () => seen().join() === 'apply,drain,undrain');
  } finally {
    child.kill('SIGKILL');
  }
});
