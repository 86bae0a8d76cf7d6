// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import { countOut } from '../../registry/etcd/fleet/index.js';
import { Keys } from '../../registry/etcd/layout/index.js';
import { putDocument } from '../etcd/fleet-document.js';
import { EtcdNetwork } from '../etcd/network.js';
import { until } from '../etcd/until.js';
import { BalancerHost } from './balancer-host.js';
import { cidOf } from './documents.js';

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
  await network?.members.dispose();
  await host.dispose();
});

const flags = () => ['--registry', network.members.address, '--agent', 'lb-1', '--lease-ttl', '2'];

async function acknowledged(): Promise<number | undefined> {
  const found = await client.kv.get(keys.ack('lb-1'));
  return found && Number(found.value.toString());
}

async function quiet(): Promise<Record<string, number>> {
  const found = await client.kv.get(keys.quiet('lb-1'));
  return found === undefined ? {} : JSON.parse(found.value.toString());
}

it('an agent acknowledges what its kernel holds, says how quiet a config is, and leaves', async () => {
  // The CIDs of documents.ts have 4 octets of nonce.
  const nonceLength = 4;
  const first = await putDocument(client, { configs: ['minting'], nonceLength });
  await host.start(...flags());
  expect(host.route(cidOf('0a0b0c'))).toBe('10.0.1.1');
  await until('it acknowledges', async () => (await acknowledged()) === first);
  const second = await putDocument(client, { configs: ['minting', 'staged'], nonceLength });
  await until('it acknowledges', async () => (await acknowledged()) === second);
  expect(host.tables((balancer) => balancer.configs().length)).toBe(2);
  expect(await quiet()).toEqual({});

  await putDocument(client, { configs: ['retiring', 'minting'], nonceLength });
  await until('it is quiet for a while', async () => ((await quiet())['web/0'] ?? 0) >= 6);
  expect(Object.keys(await quiet())).toEqual(['web/0']);
  host.route(cidOf('0a0b0c'));
  await until('the packet is seen', async () => ((await quiet())['web/0'] ?? 9) < 6);

  expect((await host.command('detach', '--pin-dir', host.pins.path)).stderr).toMatch(/LOCKED/);
  host.agent?.signal('SIGTERM');
  await host.agent?.exited;
  expect(await acknowledged()).toBeGreaterThan(second);
  const folders = ['--pin-dir', host.pins.path, '--state-dir', host.stateFolder];
  const registry = ['--registry', network.members.address, '--agent', 'lb-1'];
  const bad = await host.command('detach', ...folders, '--registry', 'cidecar.yaml');
  expect(bad.stderr).toContain('ARGUMENT_INVALID');
  expect(await host.xdp()).toBeDefined();
  expect(await host.command('detach', ...folders, ...registry)).toMatchObject({ code: 0 });
  expect(await acknowledged()).toBeUndefined();
  expect(await host.xdp()).toBeUndefined();
  // What could not be told is told by a second call.
  expect(await host.command('detach', ...folders, ...registry)).toMatchObject({ code: 0 });
});

it('an agent that was counted out attaches only when it has joined again', async () => {
  await putDocument(client, { configs: ['minting'], nonceLength: 4 });
  await host.start(...flags());
  const member = join(host.stateFolder, 'agent-state.json.fleet');
  await until('it remembers that it joined', () => existsSync(member));
  expect(readFileSync(member, 'utf8')).toBe('joined\n');
  const saved = join(host.stateFolder, 'agent-state.json.last-good');
  await until('its state is on disk', () => existsSync(saved));
  await host.kill();
  const link = host.pins.openLink();
  link?.detach();
  link?.close();
  await network.members.member(0).kill();

  // Others wait for it, so it may route by its disk.
  host.spawn(...flags());
  await host.logged('ready');
  expect(host.route(cidOf('0a0b0c'))).toBe('10.0.1.1');
  await host.kill();
  const again = host.pins.openLink();
  again?.detach();
  again?.close();

  // It was counted out, and knows it.
  network.members.member(0).start();
  await client.kv.txn(countOut(keys, 'lb-1', { by: 'test', why: 'for a test' }));
  await network.members.member(0).kill();
  writeFileSync(member, 'out\n');
  host.spawn(...flags());
  await host.logged('attaching when the others wait for this agent');
  expect(await host.xdp()).toBeUndefined();
  network.members.member(0).start();
  await host.logged('ready');
  expect(host.lines().map(({ msg }) => msg)).toContain('joined the fleet');
  expect(host.route(cidOf('0a0b0c'))).toBe('10.0.1.1');
});
