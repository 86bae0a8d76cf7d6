// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ipCommand } from '../../lb-agent/neighbours.js';
import { inNamespace, ipBatch, run } from '../netns/command.js';
import { BalancerHost } from './balancer-host.js';
import { documentOf, type TestServer } from './documents.js';

const SERVER: TestServer = { name: 'web-1', address: '10.9.0.2', ids: ['ed793a'] };
const MAC_1 = '02:00:00:00:00:11';
const MAC_2 = '02:00:00:00:00:22';

let host: BalancerHost;
let server: string;

/** The server is on a second link of the balancer's host, in a namespace of its own. */
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

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(20);
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

  it('follow the neighbour table of the host, by another interface too', async () => {
    host.write(documentOf([SERVER]));
    await host.start('--next-hop', 'resolve');
    const ip = ipCommand(['nsenter', `--net=/run/netns/${host.namespace}`]);
    const [link] = JSON.parse(await ip(['-j', 'link', 'show', 'dev', 'srv0'])) as {
      ifindex: number;
    }[];
    expect(macText()).toBe(MAC_1);
    expect(real()?.nextHop.ifindex).toBe(link?.ifindex);

    await ip(['neigh', 'replace', '10.9.0.2', 'lladdr', MAC_2, 'dev', 'srv0', 'nud', 'reachable']);
    await until(() => macText() === MAC_2);
  });

  it('are what an l2 server needs: without one it is down', async () => {
    await ipBatch(server, ['link set eth0 down']);
    host.write(encapsulated('l2'));
    await host.start();
    expect(real()?.down).toBe(true);

    await ipBatch(server, ['link set eth0 up']);
    await until(() => real()?.down === false);
    expect(macText()).toBe(MAC_1);

    // Never back to where packets came from, not even while it goes down.
    await run(inNamespace(host.namespace, ['ip', 'route', 'del', '10.9.0.0/24']));
    await until(() => real()?.down === true);
    expect(macText()).toBe(MAC_1);
  });
});
