// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ipBatch } from '../netns/command.js';
import { BalancerHost, VIP } from './balancer-host.js';
import { cidOf, documentOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
  host.write(documentOf([ONE]));
});
afterEach(() => host.dispose());

function source(): string | undefined {
  return host.tables((balancer) => balancer.reals()[0]?.source);
}

describe('the source of tunnels', () => {
  it('is no VIP, even where the interface has it first', async () => {
    await ipBatch(host.namespace, [
      'addr del 192.0.2.1/24 dev eth0',
      `addr add ${VIP}/32 dev eth0`,
      'addr add 192.0.2.1/24 dev eth0',
    ]);
    await host.start();
    expect(source()).toBe('192.0.2.1');
    expect(await host.logged('tunnels come from this address')).toMatchObject({
      source: '192.0.2.1',
    });
    const { code, stderr } = await host.command(...host.args('--source', VIP));
    expect([code, stderr]).toEqual([2, expect.stringContaining('is a VIP')]);
  });

  it('is what the route to the servers says', async () => {
    await ipBatch(host.namespace, [
      'addr add 10.7.7.7/32 dev lo',
      'route add 10.0.1.0/24 via 192.0.2.254 dev eth0 src 10.7.7.7',
    ]);
    await host.start();
    expect(source()).toBe('10.7.7.7');
  });

  it('follows an address that is replaced, and packets are routed all the time', async () => {
    await host.start();
    expect(source()).toBe('192.0.2.1');
    await ipBatch(host.namespace, [
      'addr add 192.0.2.77/24 dev eth0',
      'addr del 192.0.2.1/24 dev eth0',
      'addr replace 192.0.2.77/24 dev eth0',
    ]);
    await host.logged('tunnels come from another address now');
    await expect.poll(source, { timeout: 120_000 }).toBe('192.0.2.77');
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
  });
});
