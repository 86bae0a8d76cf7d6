// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { statusText } from '../../lb-agent/observe/status-text.js';
import { inNamespace, ipBatch, run } from '../netns/command.js';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, idOf, type TestServer } from './documents.js';

const SERVER: TestServer = { name: 'web-1', address: '10.9.0.2', ids: ['ed793a'] };
const MAC_1 = '02:00:00:00:00:11';
const MAC_2 = '02:00:00:00:00:22';

let host: BalancerHost;
let server: string;

/** Puts the server on a second link of the balancer's host, in another namespace. */
beforeEach(async () => {
  host = await BalancerHost.create();
  [server = ''] = await host.scope.addNamespaces(['srv']);
  await ipBatch(host.namespace, [
    `link add srv0 type veth peer name eth0 netns ${server}`,
    'addr add 10.9.0.1/24 dev srv0',
    'link set srv0 up',
  ]);
  await ipBatch(server, [
    `link set eth0 address ${MAC_1}`,
    'addr add 10.9.0.2/24 dev eth0',
    'link set eth0 up',
  ]);
});
afterEach(() => host.dispose());

function real() {
  return host.tables((balancer) => balancer.reals()[0]);
}

function macText(): string {
  return Buffer.from(real()?.nextHop.mac ?? [])
    .toString('hex')
    .replace(/..(?=.)/g, '$&:');
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}

function ip(...args: string[]): Promise<string> {
  return run(inNamespace(host.namespace, ['ip', ...args]));
}

async function ifindexOf(device: string): Promise<number | undefined> {
  const links = JSON.parse(await ip('-j', 'link', 'show', 'dev', device)) as { ifindex: number }[];
  return links[0]?.ifindex;
}

function reasons(): unknown[] {
  return host
    .lines()
    .filter(({ msg }) => msg === 'no next hop to these servers')
    .map(({ reason }) => reason);
}

function encapsulated(encapsulation: string): string {
  const document = JSON.parse(documentOf([SERVER])) as {
    pools: { web: { servers: Record<string, unknown>[] } };
  };
  for (const each of document.pools.web.servers) each.encapsulation = encapsulation;
  return JSON.stringify(document);
}

describe('next hops', () => {
  it('are the neighbours that packets came from, unless asked otherwise', async () => {
    host.write(documentOf([SERVER]));
    await host.start();
    expect(macText()).toBe('00:00:00:00:00:00');
  });

  it('are a gateway that answers, where a route has another that does not', async () => {
    const dead = 'nexthop via 10.9.0.66 dev srv0';
    await ipBatch(host.namespace, [`route add 10.20.0.0/24 ${dead} nexthop via 10.9.0.2 dev srv0`]);
    // The kernel would send some of these by the one, and some by the other.
    const far = Array.from({ length: 8 }, (_, i) => ({
      ...{ name: `web-${i}`, address: `10.20.0.${i + 1}`, ids: [idOf(i)] },
    }));
    host.write(documentOf(far));
    await host.start('--next-hop', 'resolve');
    // By then the kernel has given up on the neighbour that is not there.
    await until(async () => {
      const shown = await ip('neigh', 'show', '10.9.0.66', 'nud', 'failed');
      return shown !== '';
    });
    await sleep(1500);
    expect(host.status().servers.map(({ state }) => state)).toEqual(far.map(() => 'active'));
    const hops = host.tables((balancer) => balancer.reals().map(({ nextHop }) => nextHop.mac));
    expect(new Set(hops.map((mac) => Buffer.from(mac).toString('hex')))).toEqual(
      new Set([MAC_1.replaceAll(':', '')]),
    );
  });

  it('lead nowhere where the server is this host itself, in either mode', async () => {
    const other = { ...SERVER, name: 'web-2', address: '10.9.0.77', ids: ['ed793b'] };
    host.write(documentOf([{ ...SERVER, address: '10.9.0.1' }, other]));
    await host.start();
    expect(reasons()).toEqual(['it is an address of this host']);
    expect(host.status().servers.map(({ state }) => state)).toEqual(['down', 'active']);
    // Its CIDs go to the other server, and none leaves for this host as sent.
    expect(host.route(cidOf('ed793a'))).toBe(other.address);
  });

  it('follow the neighbour table of the host, by another interface too', async () => {
    host.write(documentOf([SERVER]));
    await host.start('--next-hop', 'resolve');
    expect(macText()).toBe(MAC_1);
    expect(real()?.nextHop.ifindex).toBe(await ifindexOf('srv0'));

    await ip('neigh', 'replace', '10.9.0.2', 'lladdr', MAC_2, 'dev', 'srv0', 'nud', 'reachable');
    await until(() => macText() === MAC_2);
  });

  it('leave alone what others have set of neighbours', async () => {
    const add = (last: number, more: string) =>
      `neigh add 10.9.0.${last} lladdr 02:00:00:00:00:${last} dev srv0 ${more}`;
    await ipBatch(host.namespace, [
      add(10, 'nud permanent'),
      add(11, 'nud noarp'),
      add(12, 'nud stale extern_learn'),
      'neigh add 10.9.0.13 dev srv0 managed',
    ]);
    const shown = async () => {
      const entries = JSON.parse(await ip('-j', 'neigh', 'show', 'dev', 'srv0', 'nud', 'all'));
      return entries as { dst: string; lladdr?: string; state: string[]; managed?: null }[];
    };
    const hosts = [10, 11, 12, 13, 99].map((last) => `10.9.0.${last}`);
    const set = async () => (await shown()).filter(({ dst }) => hosts.slice(0, 3).includes(dst));
    const before = await set();
    host.write(
      documentOf(hosts.map((address, i) => ({ name: `web-${i}`, address, ids: [idOf(i)] }))),
    );
    await host.start('--next-hop', 'resolve');
    // The agent asks for all neighbours at once, so when it has asked for the last it asked for all.
    await until(async () => (await shown()).some(({ dst }) => dst === '10.9.0.99'));
    expect(await set()).toEqual(before);
    expect((await shown()).find(({ dst }) => dst === '10.9.0.13')).toHaveProperty('managed');
    expect(host.tables((balancer) => balancer.reals().map(({ down }) => down))).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
  });

  it('are gateways of the other family too', async () => {
    await ipBatch(host.namespace, [
      `neigh add fe80::fe lladdr ${MAC_2} dev srv0 nud permanent`,
      'route add 10.78.0.0/16 via inet6 fe80::fe dev srv0',
    ]);
    host.write(documentOf([{ ...SERVER, address: '10.78.0.1' }]));
    await host.start('--next-hop', 'resolve');
    expect(macText()).toBe(MAC_2);
    expect(real()?.down).toBe(false);
  });

  it('hold until the neighbour is silent; then the server is down', async () => {
    host.write(documentOf([SERVER]));
    await host.start('--next-hop', 'resolve');
    expect(real()?.down).toBe(false);
    await ipBatch(server, ['link set eth0 down']);
    await until(() => real()?.down === true);
    expect(macText()).toBe(MAC_1);
    expect(reasons()).toEqual(['no answer from 10.9.0.2 dev srv0']);
    await ipBatch(server, ['link set eth0 up']);
    await until(() => real()?.down === false);
  });

  it('are no bridges in native mode, whose driver would lose the packets', async () => {
    await ipBatch(host.namespace, [
      'link add br0 type bridge',
      'link set br0 up',
      'link set srv0 master br0',
      'addr del 10.9.0.1/24 dev srv0',
      'addr add 10.9.0.1/24 dev br0',
    ]);
    host.write(documentOf([SERVER]));
    await host.start('--next-hop', 'resolve');
    expect(real()?.down).toBe(true);
    const why = expect.stringMatching(/leaves by br0 \(bridge\).*--mode generic/);
    expect(reasons()).toEqual([why]);
    expect(host.status().servers[0]).toMatchObject({ state: 'down', unreachable: why });
    expect(statusText(host.status())).toMatch(/UNREACHABLE\n {2}NAME +WHY\n {2}web-1 +its route/);
    await host.agent?.stop();

    await host.start('--next-hop', 'resolve', '--mode', 'generic');
    await until(() => macText() === MAC_1);
    expect(real()?.nextHop.ifindex).toBe(await ifindexOf('br0'));
    expect(host.status().servers[0]).toMatchObject({ state: 'active', unreachable: null });
  });

  it('are what an l2 server needs: without one it is down', async () => {
    await ipBatch(server, ['link set eth0 down']);
    host.write(encapsulated('l2'));
    await host.start();
    expect(real()?.down).toBe(true);

    await ipBatch(server, ['link set eth0 up']);
    await until(() => real()?.down === false);
    expect(macText()).toBe(MAC_1);

    // Packets must never go back to where they came from, not even while the server goes down.
    await run(inNamespace(host.namespace, ['ip', 'route', 'del', '10.9.0.0/24']));
    await until(() => real()?.down === true);
    expect(macText()).toBe(MAC_1);
  });

  it('are there before an l2 server comes up, also after a restart', async () => {
    await ipBatch(server, ['link set eth0 down']);
    host.write(encapsulated('l2'));
    await host.start();
    expect(real()?.down).toBe(true);
    await host.kill();
    await ip('neigh', 'replace', '10.9.0.2', 'lladdr', MAC_2, 'dev', 'srv0', 'nud', 'permanent');
    // Otherwise the agent refuses to bring the server up, and ends.
    await host.start();
    expect(real()?.down).toBe(false);
    expect(macText()).toBe(MAC_2);
  });

  it('are never gateways for an l2 server', async () => {
    await ipBatch(host.namespace, ['route add 10.77.0.0/16 via 10.9.0.2']);
    host.write(encapsulated('l2').replaceAll(SERVER.address, '10.77.0.1'));
    await host.start();
    expect(real()?.down).toBe(true);
    expect(macText()).toBe('00:00:00:00:00:00');
    expect(reasons()).toEqual([expect.stringMatching(/^l2 .* behind 10\.9\.0\.2/)]);
  });
});
