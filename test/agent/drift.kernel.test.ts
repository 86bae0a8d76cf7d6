// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { BpfMap } from '../../bpf/index.js';
import type { Balancer } from '../../bpf/tables/index.js';
import { fromHex } from '../../core/index.js';
import { BalancerHost, VIP } from './balancer-host.js';
import { cidOf, documentOf, idOf, type TestServer } from './documents.js';

const MENDED = 'a kernel table was not as it was written; mended';
const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };
const TWO: TestServer = { name: 'web-2', address: '10.0.1.12', ids: ['ed793b'] };
const id = (hex: string) => fromHex(hex, 'server ID');

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
  host.write(documentOf([ONE, TWO]));
});
afterEach(() => host.dispose());

/** Changes tables as another program would, and waits until the agent has said what it mended. */
async function tamper(change: (balancer: Balancer) => void, nth = 1): Promise<string> {
  host.tables(change);
  const { table } = await host.logged(MENDED, nth);
  return String(table);
}

/** What the kernel holds, so far as packets are concerned. */
function held() {
  return host.tables((balancer) => ({
    settings: balancer.settings,
    vips: balancer.vips(),
    marks: balancer.vipAddresses(),
    reals: balancer.reals(),
    configs: balancer.configs().map(({ pool, configBits }) => ({ pool, configBits })),
    ids: balancer.configs().map(({ pool }) => [...balancer.serverIds(pool, 0)]),
    rings: balancer.vips().map(({ ring }) => balancer.ring(ring)),
  }));
}

/** Changes a word of a map, by no rule of ours. */
function scribble(map: BpfMap, key: number, at: number, value: number): void {
  const octets = map.lookup(key) ?? new Uint8Array();
  new DataView(octets.buffer, octets.byteOffset).setUint32(at, value, true);
  map.update(key, octets);
}

const realOf = (balancer: Balancer, address: string) =>
  balancer.reals().find((real) => real.address === address)?.index ?? 0;

it.each<[string, string, (balancer: Balancer) => void]>([
  [
    'an ID that leads to another server',
    'server_ids',
    (b) => b.setServerId(0, 0, id('ed793a'), realOf(b, TWO.address)),
  ],
  ['an ID that is gone', 'server_ids', (b) => b.setServerId(0, 0, id('ed793a'), 0)],
  ['an ID that nobody has', 'server_ids', (b) => b.setServerId(0, 0, id('ed793c'), 1)],
  ['a real that is down', 'reals', (b) => b.setDown(realOf(b, ONE.address), true)],
  [
    'a real with another address',
    'reals',
    (b) => scribble(b.map('reals'), realOf(b, ONE.address), 40, 0x0909_0909),
  ],
  ['a real that is gone', 'reals', (b) => b.clearReal(realOf(b, ONE.address))],
  [
    'a real that nobody has',
    'reals',
    (b) =>
      b.setReal(9, {
        address: '10.9.9.9',
        encapsulation: 'ipip',
        source4: '192.0.2.1',
        incarnation: 7,
      }),
  ],
  [
    'a VIP that is gone',
    'vip_table',
    (b) => b.removeVip({ address: VIP, port: 443, protocol: 'udp' }),
  ],
  [
    'a VIP that nobody has',
    'vip_table',
    (b) =>
      b.setVip({
        address: '198.51.100.99',
        port: 1,
        protocol: 'tcp',
        vip: 1,
        quic: false,
        pool: 0,
        ring: 0,
      }),
  ],
  [
    'a VIP that reads no CIDs',
    'vip_table',
    (b) => {
      for (const vip of b.vips()) b.setVip({ ...vip, quic: false });
    },
  ],
  [
    'a ring with another entry',
    'rings',
    (b) => {
      const ring = b.vips()[0]?.ring ?? 0;
      const reals = b.ring(ring);
      reals[5] = 0;
      b.setRing(ring, reals);
    },
  ],
  [
    'a ring with another length',
    'rings',
    (b) => scribble(b.map('rings'), b.vips()[0]?.ring ?? 0, 0, 7),
  ],
  [
    'a config that is gone',
    'configs',
    (b) => {
      b.clearConfig(0, 0);
    },
  ],
  [
    'a config that decodes otherwise',
    'configs',
    (b) => scribble(b.map('configs'), 1, 0, 0x0101_0101),
  ],
  [
    'a name that leads beyond the table',
    'configs',
    (b) => scribble(b.map('config_index'), 0, 0, 0x7fff_ffff),
  ],
  ['a config that nobody has', 'configs', (b) => scribble(b.map('config_index'), 3, 0, 1)],
  ['another seed', 'settings', (b) => b.setSettings({ hashSeed: 1n })],
])('mends %s, logs it, and carries on as before', async (_, table, change) => {
  await host.start();
  const before = held();
  expect(await tamper(change)).toBe(table);
  await expect.poll(held).toEqual(before);
  expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
  expect(host.route(cidOf('ed793b'))).toBe(TWO.address);
  // And it can still be changed.
  await host.change(documentOf([{ ...ONE, ids: ['ed793a', 'ed793d'] }, TWO]));
  expect(host.route(cidOf('ed793d'))).toBe(ONE.address);
});

it('finds nothing in tables that only the agent changes, and counts what it finds', async () => {
  const socket = host.scope.path('metrics.sock');
  await host.start('--metrics', socket);
  for (let n = 1; n <= 5; n++) {
    const servers = Array.from({ length: 1 + ((n * 7) % 5) }, (_, i) => {
      return { name: `s-${i}`, address: `10.0.2.${1 + i}`, ids: [idOf(100 * n + i)] };
    });
    await host.change(documentOf(servers, n % 2 === 0 ? [443] : [443, 8443]));
    const passes = await audits(socket);
    await expect.poll(() => audits(socket)).toBeGreaterThan(passes);
  }
  expect(host.lines().filter(({ msg }) => msg === MENDED)).toEqual([]);
  await tamper((balancer) => balancer.setServerId(0, 0, id('0001f4'), 0));
  expect(await scrape(socket)).toContain('cidecar_balancer_drift_total{table="server_ids"} 1\n');
});

async function scrape(socket: string): Promise<string> {
  const { tryRun } = await import('../netns/command.js');
  const { stdout } = await tryRun(['curl', '-s', '--unix-socket', socket, 'http://agent/metrics']);
  return stdout;
}

async function audits(socket: string): Promise<number> {
  await sleep(10);
  const text = await scrape(socket);
  return Number(/^cidecar_balancer_audited_timestamp_seconds (\S+)$/m.exec(text)?.[1] ?? 0);
}

it('is told by lb-agent audit, which changes nothing', async () => {
  const folders = ['--pin-dir', host.pins.path, ...host.stateArgs];
  const audit = async () => {
    const args = ['audit', '--json', '--registry', host.document, ...folders];
    const { code, stdout } = await host.command(...args);
    return { code, findings: JSON.parse(stdout).findings };
  };
  await host.start();
  expect(await audit()).toEqual({ code: 0, findings: [] });
  await host.kill();
  host.tables((balancer) => {
    balancer.setServerId(0, 0, id('ed793a'), realOf(balancer, TWO.address));
    balancer.setServerId(0, 0, id('ed793b'), 0);
    balancer.setServerId(0, 0, id('ed793c'), realOf(balancer, ONE.address));
  });
  const findings = [
    { kind: 'wrong real', what: expect.stringContaining('ed793a of web-1') },
    { kind: 'missing', what: expect.stringContaining('ed793b of web-2') },
    { kind: 'extra', what: expect.stringContaining('ed793c') },
  ];
  expect(await audit()).toMatchObject({ code: 3, findings });
  expect(await audit()).toMatchObject({ code: 3, findings });
  host.write(documentOf([ONE, TWO], [443, 8443]));
  const { findings: later } = await audit();
  expect(later).toContainEqual(expect.objectContaining({ kind: 'stale' }));
  expect(later).toContainEqual(
    expect.objectContaining({ kind: 'missing', table: 'vips', what: `udp ${VIP} 8443` }),
  );
});
