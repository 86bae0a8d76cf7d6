// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };
const TWO: TestServer = { name: 'web-2', address: '10.0.1.12', ids: ['ed793b'] };

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
});
afterEach(() => host.dispose());

/** The server's real and its packets, and the packets that each VIP routed by CID. */
function counted(name: string) {
  const { servers, vips } = host.status();
  const { real, packets } = servers.find((server) => server.name === name) ?? {};
  const ports = Object.fromEntries(vips.map(({ port, counters }) => [port, counters.cid?.packets]));
  return { real, packets, ports };
}

it('counters stay with an owner, and begin at zero for another', async () => {
  host.write(documentOf([ONE, TWO], [443, 444]));
  await host.start('--cooldown', '1');
  for (let i = 0; i < 5; i++) host.route(cidOf('ed793b'), 444);
  host.route(cidOf('ed793a'), 443);
  const before = counted('web-2');
  expect(before).toMatchObject({ packets: 5, ports: { 443: 1, 444: 5 } });

  // Server and VIP are removed, and others take their places as soon as they may.
  await host.change(documentOf([ONE], [443]));
  let next: ReturnType<typeof counted> | undefined;
  for (let n = 1; next?.real !== before.real; n++) {
    const newcomer = { name: `n${n}`, address: `10.3.${n >> 8}.${n & 255}`, ids: ['ed793b'] };
    await host.change(documentOf([ONE, newcomer], [443, 8443]));
    next = counted(newcomer.name);
  }
  const row = (port: number) =>
    host.tables((balancer) => balancer.vips().find((vip) => vip.port === port)?.vip);
  expect(row(8443)).toBe(2);
  expect(next).toMatchObject({ packets: 0, ports: { 443: 1, 8443: undefined } });
  host.route(cidOf('ed793b'), 8443);
  // Neither a restart nor another document moves counts to another server or VIP.
  await host.kill();
  await host.start();
  await host.change(documentOf([ONE, { ...TWO, address: '10.3.9.9' }], [443, 8443, 8444]));
  expect(counted('web-1')).toMatchObject({ packets: 1, ports: { 443: 1, 8443: 1 } });
});

it('so they do where the tables grow, and what is copied knows no owners', async () => {
  host.write(documentOf([ONE, TWO], [443, 444]));
  await host.start('--cooldown', '1');
  for (let i = 0; i < 5; i++) host.route(cidOf('ed793b'), 444);
  await host.change(documentOf([ONE], [443]));
  await sleep(1100); // The cooldown: the index of web-2 is free again.
  const servers = Array.from({ length: 300 }, (_, i): TestServer => {
    return { name: `n${i}`, address: `10.2.${i >> 7}.${(i & 127) + 1}`, ids: [] };
  });
  const ports = Array.from({ length: 60 }, (_, i) => 5000 + i);
  await host.change(documentOf([ONE, ...servers], [443, ...ports]));
  const status = host.status();
  expect(status.vips.filter(({ counters }) => Object.keys(counters).length > 0)).toEqual([]);
  expect(status.servers.filter(({ packets }) => packets > 0)).toEqual([]);
});
