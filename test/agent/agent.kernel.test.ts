// SPDX-License-Identifier: Apache-2.0
import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BpfObject, objectPath } from '../../bpf/index.js';
import { inNamespace, run } from '../netns/command.js';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, idOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };
const TWO: TestServer = { name: 'web-2', address: '10.0.1.12', ids: ['ed793b'] };
const UNKNOWN = cidOf('ffffff');

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
  host.write(documentOf([ONE, TWO]));
});
afterEach(() => host.dispose());

describe('lb-agent run', () => {
  it('makes CIDs reach the servers that own them, and says so', async () => {
    await host.start();
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
    expect(host.route(cidOf('ed793b'))).toBe(TWO.address);
    const { vips, servers, configs } = host.status();
    expect(servers).toMatchObject([
      { name: 'web-1', address: ONE.address, state: 'active', serverIds: 1, packets: 1 },
      { name: 'web-2', address: TWO.address, state: 'active', serverIds: 1, packets: 1 },
    ]);
    expect(vips[0]?.counters).toMatchObject({ cid: { packets: 2 }, config_0: { packets: 2 } });
    expect(configs).toMatchObject([{ pool: 'web', id: 0, algorithm: 'plaintext', serverIds: 2 }]);
    const { code, stdout } = await host.command(
      ...['status', '--json', '--pin-dir', host.pins.path, '--state-dir', host.stateFolder],
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(host.status())));
  });

  it('follows an ID to another server, a drain, a server that is down, and one that leaves', async () => {
    await host.start();
    await host.change(
      documentOf([
        { ...ONE, ids: [] },
        { ...TWO, ids: ['ed793b', 'ed793a'] },
      ]),
    );
    expect(host.route(cidOf('ed793a'))).toBe(TWO.address);

    await host.change(documentOf([{ ...ONE, state: 'draining' }, TWO]));
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
    for (let port = 1; port <= 50; port++) expect(host.route(UNKNOWN, 443, port)).toBe(TWO.address);

    await host.change(documentOf([{ ...ONE, state: 'down' }, TWO]));
    expect(host.route(cidOf('ed793a'))).toBe(TWO.address);
    expect(host.status().vips[0]?.counters.cid_server_down?.packets).toBe(1);

    const before = host.status().servers.find(({ name }) => name === 'web-1')?.real;
    await host.change(documentOf([TWO, { name: 'web-3', address: '10.0.1.13', ids: ['ed793c'] }]));
    expect(host.route(cidOf('ed793a'))).not.toBe(ONE.address);
    expect(host.route(cidOf('ed793c'))).toBe('10.0.1.13');
    const real = host.status().servers.find(({ name }) => name === 'web-3')?.real;
    expect(real).not.toBe(before);
  });

  it('keeps the last good state through bad documents and a missing one, and says it once', async () => {
    await host.start();
    const failed = 'registry: the last good state stays in force';
    writeFileSync(host.document, 'pools: [');
    expect(await host.logged(failed)).toMatchObject({
      error: { code: 'DOCUMENT_SYNTAX', text: expect.stringMatching(/cidecar\.yaml:1: /) },
    });
    host.write(documentOf([ONE, { ...TWO, ids: ['ed793a'] }]));
    expect(await host.logged(failed, 2)).toMatchObject({
      error: { text: expect.stringMatching(/ed793a of web-2 is owned by web-1 too/) },
    });
    rmSync(host.document);
    expect(await host.logged(failed, 3)).toMatchObject({
      error: { text: expect.stringMatching(/does not exist/) },
    });
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
    expect(host.route(cidOf('ed793b'))).toBe(TWO.address);
    await host.change(documentOf([ONE, { ...TWO, ids: ['ed793c'] }]));
    expect(host.route(cidOf('ed793c'))).toBe(TWO.address);
  });

  it('leaves the balancer attached on a stop, and changes nothing when it comes back', async () => {
    await host.start();
    await host.agent?.stop(10_000);
    expect(await host.agent?.exited).toEqual({ code: 0, signal: null });
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
    const tableSet = host.tableSet();
    for (const names of ['kept', 'lost']) {
      if (names === 'lost') {
        await host.kill();
        rmSync(host.stateFolder, { recursive: true });
      }
      await host.start();
      expect(host.lines().filter(({ msg }) => msg === 'applying')).toEqual([]);
      expect(host.tableSet()).toBe(tableSet);
    }
  });

  it('continues without its memory: routes stay, and indices are not used again too soon', async () => {
    await host.start();
    const real = host.status().servers.find(({ name }) => name === 'web-1')?.real;
    await host.change(documentOf([TWO]));
    await host.kill();
    rmSync(host.stateFolder, { recursive: true });
    host.write(documentOf([TWO, { ...ONE, name: 'web-9', address: '10.0.1.19' }]));
    await host.start();
    expect(host.route(cidOf('ed793b'))).toBe(TWO.address);
    expect(host.route(cidOf('ed793a'))).toBe('10.0.1.19');
    const [two, nine] = host.status().servers;
    expect([two?.name, nine?.name]).toEqual(['web-2', 'web-9']);
    expect(nine?.real).not.toBe(real);
  });

  it('loads larger tables when these are full, and swaps them under the same link', async () => {
    await host.start();
    const before = host.tableSet();
    const many = (first: number, count: number) =>
      Array.from({ length: count }, (_, i) => idOf(first + i * 151));
    const ports = Array.from({ length: 60 }, (_, i) => 443 + i);
    const servers = Array.from({ length: 150 }, (_, i): TestServer => {
      return { name: `s${i}`, address: `10.1.${i >> 4}.${i & 15}`, ids: many(1 + i, 50) };
    });
    await host.change(documentOf([ONE, TWO, ...servers], ports));
    expect(host.tableSet()).toBeGreaterThan(before);
    expect(host.pins.tableSets()).toEqual([host.tableSet()]);
    expect(host.route(cidOf('ed793a'), 502)).toBe(ONE.address);
    for (const { address, ids } of servers) {
      expect(host.route(cidOf(ids.at(-1) ?? ''))).toBe(address);
    }
    await host.kill();
    await host.start();
    expect(host.lines().filter(({ msg }) => msg === 'applying')).toEqual([]);
  });

  it('routes a VIP that changes pools by its new pool', async () => {
    const two = (owner: 'a' | 'b') => {
      const pool = (servers: TestServer[], own: boolean) => ({
        ...JSON.parse(documentOf(servers, own ? [443] : [])).pools.web,
      });
      const a = pool([ONE], owner === 'a');
      const b = pool([{ ...TWO, ids: ['ed793a'] }], owner === 'b');
      return JSON.stringify({ pools: { a, b } });
    };
    host.write(two('a'));
    await host.start();
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
    await host.change(two('b'));
    expect(host.route(cidOf('ed793a'))).toBe(TWO.address);
    expect(host.tables((balancer) => balancer.vips())).toHaveLength(1);
  });

  it('sets what the options say, and takes it back when it starts without them', async () => {
    const settings = () => host.tables((balancer) => balancer.settings);
    await host.start();
    const { hashSeed, ...before } = settings();
    expect(before).toEqual({
      ...{
        sampleEvery: 0,
        eventsPerSecond: 100,
        mtu: 1500,
        ingressMtu: 1500,
        sourceBits: 0,
        guePort: 6080,
      },
      ...{ freshSeconds: 10, udpSeconds: 120, tcpSeconds: 3600, icmpPerSecond: 100 },
      icmpErrorsPerSecond: 1000,
    });
    await host.kill();
    await host.start(
      ...['--gue-port', '7000', '--fresh-timeout', '5', '--udp-timeout', '60'],
      ...['--tcp-timeout', '600', '--icmp-rate', '0', '--mtu', '1400', '--hash-seed', 'c0ffee'],
    );
    expect(settings()).toEqual({
      ...{
        sampleEvery: 0,
        eventsPerSecond: 100,
        mtu: 1400,
        ingressMtu: 1500,
        sourceBits: 0,
        guePort: 7000,
      },
      ...{ freshSeconds: 5, udpSeconds: 60, tcpSeconds: 600, icmpPerSecond: 0 },
      icmpErrorsPerSecond: 1000,
      hashSeed: 0xc0ffeen,
    });
    await host.kill();
    await host.start();
    expect(settings()).toEqual({ ...before, hashSeed });
  });

  it('is taken away by detach, but not while an agent runs', async () => {
    await host.start();
    const folders = ['--pin-dir', host.pins.path, '--state-dir', host.stateFolder];
    const refused = await host.command('detach', ...folders);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/STATE_LOCKED/)]);
    await host.agent?.stop(10_000);
    expect((await host.command('detach', ...folders)).code).toBe(0);
    expect(await host.xdp()).toBeUndefined();
    const gone = await host.command('status', ...folders);
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringMatching(/PIN_INVALID/)]);
  });
});

describe('lb-agent run, where it cannot', () => {
  async function refused(...more: string[]): Promise<string> {
    const { code, stderr } = await host.command(...host.args(...more));
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/^lb-agent: /m);
    return stderr;
  }

  it('names what is wrong, and leaves nothing behind', async () => {
    expect(await refused('--interface', 'eth9')).toMatch(/eth9.*INTERFACE_UNKNOWN/);
    expect(await refused('--source', '10.0.0.1/99')).toMatch(/--source: .*ARGUMENT_INVALID/);
    expect(await refused('--registry', '/none.yaml')).toMatch(/\/none\.yaml: .*FILE_UNREADABLE/);
    host.write(documentOf([{ ...ONE, ids: ['ed79'] }]));
    expect(await refused()).toMatch(/yaml:\d+: pools\.web\.servers\[0\]\.serverIds\.0\[0\]: /);
    host.write(documentOf([{ ...ONE, address: '2001:db8::1' }]));
    expect(await refused()).toMatch(/web-1 has an IPv6 address.*--source6/);
    expect(await host.xdp()).toBeUndefined();
    expect(host.pins.tableSets()).toEqual([]);
  });

  it('does not displace the program of another', async () => {
    const object = await BpfObject.load(objectPath('pass'));
    const program = object.program('pass');
    program.pin(`${host.pins.path}-other`);
    // `ip -n` would give the command another /sys, without the pin.
    const attach = ['ip', 'link', 'set', 'dev', 'eth0', 'xdp', 'pinned', `${host.pins.path}-other`];
    await run(inNamespace(host.namespace, attach));
    expect(await refused()).toMatch(/INTERFACE_BUSY/);
    expect(host.pins.tableSets()).toEqual([]);
    expect((await host.xdp())?.id).toBe(program.info.id);
    program.close();
    object.close();
  });

  it('does not work on the pins of another agent', async () => {
    await host.start();
    expect(await refused()).toMatch(/another agent works on .*STATE_LOCKED/);
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
  });
});
