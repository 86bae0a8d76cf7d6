// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ipBatch } from '../netns/command.js';
import type { WorkerProcess } from '../netns/process.js';
import { Scope } from '../netns/scope.js';
import { ethernet, filler, ipv4, udp } from '../packets/build.js';
import type { ProbeReport } from '../udp/prober.js';

// Whoever can send tunnels to a server can name any of its addresses inside. With --decap-to vips
// only the VIPs of the document can be reached like this.

const VIP = '198.51.100.10';
const NEXT_VIP = '198.51.100.11';
/** An address of the server that no tunnel should reach. */
const MANAGEMENT = '10.99.0.1';
const TRIES = 5;
const STRANGER = { address: '10.3.1.1', port: 20_001 };

let scope: Scope;
let server: string;
let stranger: string;
let document: string;
let prober: WorkerProcess;
let sidecar: WorkerProcess;

beforeEach(async () => {
  scope = new Scope('cdcdest');
  [server = '', stranger = ''] = await scope.addNamespaces(['server', 'stranger']);
  await ipBatch(server, [
    'link set lo up',
    `link add eth0 type veth peer name eth0 netns ${stranger}`,
    'addr add 10.3.1.2/24 dev eth0',
    'link set eth0 up',
    ...[VIP, NEXT_VIP, MANAGEMENT].map((address) => `addr add ${address}/32 dev lo`),
  ]);
  await ipBatch(stranger, ['addr add 10.3.1.1/24 dev eth0', 'link set eth0 up']);
  const responder = scope.start({
    title: 'responder',
    namespace: server,
    entry: 'test/udp/responder-main',
    args: [VIP, NEXT_VIP, MANAGEMENT].flatMap((address) => ['--address', address]),
    log: scope.path('responder.log'),
  });
  prober = scope.start({
    title: 'prober',
    namespace: stranger,
    entry: 'test/udp/prober-main',
    log: scope.path('prober.log'),
  });
  await Promise.all([responder.ready(), prober.ready()]);
  document = scope.path('cidecar.yaml');
  write([VIP]);
});
afterEach(() => scope.dispose());

function write(vips: readonly string[]): void {
  const pool = {
    vips: vips.map((address) => ({ address, port: 443, protocol: 'udp' })),
    configs: [{ id: 0, scheme: 'quic-lb', serverIdLength: 3, nonceLength: 8, state: 'minting' }],
    servers: [{ name: 'web-1', address: '10.3.1.2', serverIds: { 0: 'ed793a' } }],
  };
  writeFileSync(`${document}.new`, JSON.stringify({ pools: { web: pool } }));
  renameSync(`${document}.new`, document);
}

const metrics = () => scope.path('metrics.sock');

async function start(...more: string[]): Promise<void> {
  launch(document, ...more);
  await expect
    .poll(() => sidecar.tail(50), { timeout: 120_000, interval: 50 })
    .toMatch(/"msg":"serving"/);
}

function launch(registry: string, ...more: string[]): void {
  const state = scope.path('state');
  mkdirSync(state, { recursive: true, mode: 0o700 });
  sidecar = scope.start({
    title: 'cid-sidecar',
    namespace: server,
    entry: 'sidecar/main',
    args: [
      ...['--registry', registry, '--server', 'web-1', '--state-dir', state],
      ...['--socket', scope.path('sidecar.sock'), '--init-if-missing'],
      ...['--metrics', metrics(), '--decap-interface', 'eth0', ...more],
    ],
    log: scope.path('sidecar.log'),
  });
}

/** How many of the stranger's datagrams in GUE are answered. */
async function answers(destination: string): Promise<number> {
  const inner = ethernet(
    ipv4(
      { source: STRANGER.address, destination },
      udp({ source: STRANGER.port, destination: 443, checksum: 0 }, filler(24)),
    ),
  ).subarray(14);
  // The prober puts the number of the datagram in the place of the last four octets.
  const payload = Buffer.from(inner.subarray(0, -4)).toString('hex');
  const report = await prober.call<ProbeReport>('probe', {
    server: { host: '10.3.1.2', port: 6080 },
    sources: [STRANGER],
    probes: Array.from({ length: TRIES }, () => ({ source: 0, payload })),
    window: TRIES,
  });
  return report.answers.filter((answer) => answer !== null).length;
}

/** Packets of which the decapsulating program made this. */
async function counted(reason: string): Promise<number> {
  const text = await new Promise<string>((resolve, reject) => {
    const ask = request({ socketPath: metrics(), path: '/metrics', agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      response.on('end', () => resolve(body));
    });
    ask.on('error', reject).end();
  });
  const line = new RegExp(`decap_packets_total\\{reason="${reason}"\\} ([0-9]+)`).exec(text);
  return Number(line?.[1] ?? 0);
}

it('leads tunnels to any address of the host by default, and warns of that', async () => {
  await start();
  expect(await answers(VIP)).toBe(TRIES);
  expect(await answers(MANAGEMENT)).toBe(TRIES);
  expect([await counted('gue_ip4'), await counted('not_vip')]).toEqual([2 * TRIES, 0]);
  expect(sidecar.tail(50)).toMatch(/tunnels of anybody are unwrapped/);
});

it('leads them there while the registry is away and nothing is known of the server yet', async () => {
  launch('etcd://10.3.1.1:2379');
  const unwrapped = { timeout: 120_000, interval: 50 };
  await expect.poll(() => sidecar.tail(50), unwrapped).toMatch(/tunnels are unwrapped/);
  expect(await answers(VIP)).toBe(TRIES);
  expect(sidecar.tail(50)).not.toMatch(/"msg":"serving"/);
});

it('leads them to the VIPs of the document alone where asked to, also to those that come later', async () => {
  await start('--decap-to', 'vips');
  expect(await answers(VIP)).toBe(TRIES);
  expect([await answers(MANAGEMENT), await answers(NEXT_VIP)]).toEqual([0, 0]);
  expect(await counted('not_vip')).toBe(2 * TRIES);
  write([VIP, NEXT_VIP]);
  await expect.poll(() => answers(NEXT_VIP), { timeout: 120_000 }).toBe(TRIES);
});
