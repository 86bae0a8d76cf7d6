// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it } from 'vitest';
import { inNamespace, run } from '../netns/command.js';
import { BalancerHost, VIP } from './balancer-host.js';
import { documentOf } from './documents.js';

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
  host.write(documentOf([{ name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] }]));
});
afterEach(() => host.dispose());

const preflight = (...more: string[]) =>
  host.command('preflight', '--interface', 'eth0', '--pin-dir', host.pins.path, ...more);
const inHost = (...argv: string[]) => run(inNamespace(host.namespace, argv));

it('preflight says what is in the way, as JSON too, and changes nothing', async () => {
  await inHost('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1');
  await inHost('ip', 'addr', 'add', `${VIP}/32`, 'dev', 'lo');
  const json = await preflight('--registry', host.document, '--json');
  expect(json.code).toBe(0);
  const found: { check: string; severity: string }[] = JSON.parse(json.stdout);
  expect(found).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ check: 'answers', severity: 'warning' }),
      expect.objectContaining({ check: 'mtu', severity: 'note' }),
      expect.objectContaining({ check: 'veth', severity: 'warning' }),
    ]),
  );
  expect((await preflight()).stdout).toMatch(/^warning {2}veth: native mode on a veth/m);
  expect(await host.xdp()).toBeUndefined();
  // Its own program is in nobody's way; that of another is.
  await host.start();
  expect(host.lines().filter(({ check }) => check === 'answers')).toHaveLength(1);
  expect(host.lines().filter(({ check }) => check === 'other-program')).toEqual([]);
  expect((await preflight()).code).toBe(0);
  const other = await host.command('preflight', '--interface', 'eth0');
  expect([other.code, other.stdout]).toEqual([
    ...[1, expect.stringMatching(/^error {2}other-program: .*"balancer"/m)],
  ]);
  const gone = await host.command('preflight', '--interface', 'eth9');
  expect([gone.code, gone.stderr]).toEqual([1, expect.stringMatching(/HOST_UNFIT/)]);
});
