// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inNamespace, ipBatch, run } from '../netns/command.js';
import { BalancerHost, VIP } from './balancer-host.js';
import { documentOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
  host.write(documentOf([ONE]));
  await ipBatch(host.namespace, ['route add default via 192.0.2.254']);
});
afterEach(() => host.dispose());

const sysctl = (...settings: string[]) =>
  run(inNamespace(host.namespace, ['sysctl', '-qw', ...settings]));
const warnings = (about: RegExp) => host.lines().filter(({ msg }) => about.test(msg));

/** Packets for the VIP that this host sent on to its router, of `count` that it was given. */
async function forwardedOf(count: number): Promise<number> {
  const ping = ['ping', '-q', '-c', String(count), '-i', '0.01', '-W', '1', VIP];
  const read = async () => {
    const text = await run(inNamespace(host.namespace, ['nstat', '-asz', 'IpForwDatagrams']));
    return Number(/IpForwDatagrams\s+([0-9]+)/.exec(text)?.[1]);
  };
  const before = await read();
  await run(inNamespace(`${host.scope.name}-router`, ping)).catch(() => {});
  return (await read()) - before;
}

describe('a host that forwards', () => {
  it('is warned of, sends pings of a VIP on, and does not with a blackhole route', async () => {
    const [router = ''] = await host.scope.addNamespaces(['router']);
    await ipBatch(host.namespace, [`link set peer0 netns ${router}`]);
    await ipBatch(router, [
      'addr add 192.0.2.254/24 dev peer0',
      'link set peer0 up',
      `route add ${VIP}/32 via 192.0.2.1`,
    ]);
    await sysctl('net.ipv4.ip_forward=1', 'net.ipv4.conf.all.send_redirects=0');
    await host.start('--mode', 'generic');
    expect(warnings(/^this host forwards/)).toMatchObject([{ level: 'warn', vips: VIP }]);
    expect(await forwardedOf(3)).toBeGreaterThanOrEqual(3);
    await host.agent?.stop();

    await ipBatch(host.namespace, [`route add blackhole ${VIP}/32`]);
    await host.start('--mode', 'generic');
    expect(warnings(/^this host forwards/)).toEqual([]);
    expect(await forwardedOf(3)).toBe(0);
  });
});

it('native mode on a veth is warned of, and generic mode because of offloads', async () => {
  await host.start();
  expect(warnings(/^generic mode/)).toEqual([]);
  expect(warnings(/^native mode on a veth/)).toHaveLength(1);
  await host.agent?.stop();
  await host.start('--mode', 'generic');
  expect(warnings(/^native mode on a veth/)).toEqual([]);
  expect(warnings(/^generic mode/)).toMatchObject([
    { level: 'warn', command: 'ethtool -K eth0 gro off lro off' },
  ]);
});

it('the MTU of the interface counts, and is followed; --mtu stays', async () => {
  const mtus = () => host.tables(({ settings: { mtu, ingressMtu } }) => ({ mtu, ingressMtu }));
  await host.start();
  expect(mtus()).toEqual({ mtu: 1500, ingressMtu: 1500 });
  await ipBatch(host.namespace, ['link set eth0 mtu 1400']);
  await expect.poll(mtus, { timeout: 120_000 }).toEqual({ mtu: 1400, ingressMtu: 1400 });
  await host.agent?.stop();
  await host.start('--mtu', '1600');
  expect(mtus()).toEqual({ mtu: 1600, ingressMtu: 1400 });
  await ipBatch(host.namespace, ['link set eth0 mtu 1450']);
  await expect.poll(mtus, { timeout: 120_000 }).toEqual({ mtu: 1600, ingressMtu: 1450 });
});

it('a balancer is not its own l2 server', async () => {
  const document = JSON.parse(documentOf([{ ...ONE, address: '192.0.2.1' }]));
  document.pools.web.servers[0].encapsulation = 'l2';
  host.write(JSON.stringify(document));
  const { code, stderr } = await host.command(...host.args());
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/web-1 is an l2 server with an address/),
  ]);
  expect(await host.xdp()).toBeUndefined();
});
