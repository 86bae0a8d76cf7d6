// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import { Keys } from '../../registry/etcd/layout/index.js';
import { putDocument } from '../etcd/fleet-document.js';
import { EtcdNetwork } from '../etcd/network.js';
import { until } from '../etcd/until.js';
import { BalancerHost } from './balancer-host.js';
import { cidOf } from './documents.js';

// The whole agent, whose registry is in etcd: what is in the kernel while etcd is there, away,
// and back.

const keys = new Keys();
let host: BalancerHost;
let network: EtcdNetwork;
let client: EtcdClient;
beforeEach(async () => {
  host = await BalancerHost.create();
  network = await EtcdNetwork.build(host.scope, { count: 1 });
  await network.join(host.namespace);
  client = network.members.client();
});
afterEach(async () => {
  try {
    await network?.members.dispose();
  } finally {
    await host?.dispose();
  }
});

const flags = () => ['--registry', network.members.address, '--agent', 'lb-1', '--lease-ttl', '2'];

/** Servers 10.0.1.1, 10.0.1.2, ... in this order. */
const put = (servers: Record<string, string[]>) =>
  putDocument(client, { configs: ['minting'], nonceLength: 4, servers });

const acknowledged = async () =>
  Number((await client.kv.get(keys.ack('lb-1')))?.value.toString() ?? 0);

it('routes by a registry in etcd, without etcd, and by what changed meanwhile', async () => {
  const first = await put({ 'web-1': ['0a0b0c'] });
  await host.start(...flags());
  expect(host.route(cidOf('0a0b0c'))).toBe('10.0.1.1');
  expect(host.status().revision).toBe(`etcd-${first}`);

  const second = await put({ 'web-1': ['0a0b0c'], 'web-2': ['0a0b0d'] });
  await until('the kernel has the change', () => host.route(cidOf('0a0b0d')) === '10.0.1.2');
  await until('it is acknowledged', async () => (await acknowledged()) === second);

  await network.members.member(0).kill();
  await host.logged('registry: the last good state stays in force');
  expect(host.route(cidOf('0a0b0c'))).toBe('10.0.1.1');
  expect(host.route(cidOf('0a0b0d'))).toBe('10.0.1.2');

  // Its program routes while it is dead, and the next one takes over what is in the kernel.
  const before = await host.xdp();
  await host.kill();
  expect(host.route(cidOf('0a0b0d'))).toBe('10.0.1.2');
  await host.start(...flags());
  expect(host.route(cidOf('0a0b0c'))).toBe('10.0.1.1');
  expect(host.route(cidOf('0a0b0d'))).toBe('10.0.1.2');
  expect(before).toBeDefined();
  expect(await host.xdp()).toBeDefined();

  network.members.member(0).start();
  await network.members.healthy();
  const third = await put({ 'web-1': ['0a0b0c'], 'web-2': ['0a0b0d'], 'web-3': ['0a0b0e'] });
  await until('the kernel has converged', () => host.route(cidOf('0a0b0e')) === '10.0.1.3');
  await until('it is acknowledged', async () => (await acknowledged()) === third);

  host.agent?.signal('SIGTERM');
  await host.agent?.exited;
  const folders = ['--pin-dir', host.pins.path, '--state-dir', host.stateFolder];
  const registry = ['--registry', network.members.address, '--agent', 'lb-1'];
  expect(await host.command('detach', ...folders, ...registry)).toMatchObject({ code: 0 });
  expect(await host.xdp()).toBeUndefined();
  expect(existsSync(join(host.pins.path, 'link'))).toBe(false);
  for (const key of [keys.ack('lb-1'), keys.liveAgent('lb-1')]) {
    expect(await client.kv.get(key)).toBeUndefined();
  }
});
