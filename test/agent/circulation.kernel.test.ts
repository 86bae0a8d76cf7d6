// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Reason } from '../../bpf/tables/index.js';
import { inNamespace, ipBatch, run } from '../netns/command.js';
import { nodeArgv } from '../netns/process.js';
import { BalancerHost, VIP } from './balancer-host.js';
import { documentOf } from './documents.js';

// Two hosts are balancer and l2 server of one VIP. What one sends the other still has the VIP as
// its destination, so it is balanced again. An agent refuses a document in which it sees itself;
// with a document each, which two operators may well have, both see only the other.

const FIRST = '192.0.2.1';
const SECOND = '192.0.2.2';
const HOPS = 64;

let hosts: readonly BalancerHost[];
beforeEach(async () => {
  const [first, second] = [await BalancerHost.create(), await BalancerHost.create()];
  hosts = [first, second];
  await ipBatch(second.namespace, ['link del eth0']);
  await ipBatch(first.namespace, [`link set peer0 netns ${second.namespace} name eth0`]);
  await ipBatch(second.namespace, [
    `addr add ${SECOND}/24 dev eth0`,
    'link set eth0 up',
    `route add ${VIP}/32 via ${FIRST}`,
  ]);
  for (const [host, other] of [
    [first, SECOND],
    [second, FIRST],
  ] as const) {
    const document = JSON.parse(documentOf([{ name: 'web-1', address: other, ids: ['ed793a'] }]));
    document.pools.web.servers[0].encapsulation = 'l2';
    host.write(JSON.stringify(document));
  }
});
afterEach(() => Promise.all(hosts.map((host) => host.dispose())));

/** Packets for the VIP that the balancers counted, both together. */
function counted(...reasons: Reason[]): number {
  const all = hosts.flatMap((host) => host.status().vips);
  return all.reduce(
    (sum, { counters }) =>
      sum + reasons.reduce((each, reason) => each + (counters[reason]?.packets ?? 0), 0),
    0,
  );
}

/** The second host sends the first one datagram for the VIP. */
async function send(): Promise<void> {
  const code = `
    const socket = require('node:dgram').createSocket('udp4');
    socket.send('x', 443, '${VIP}', () => socket.close());`;
  const [node = ''] = nodeArgv('lb-agent/main');
  await run(inNamespace(hosts[1]?.namespace ?? '', [node, '-e', code]));
}

it.each(['native', 'generic'])(
  'a packet between two balancers that are each other’s l2 server ends, in %s mode',
  async (mode) => {
    for (const host of hosts) await host.start('--mode', mode);
    for (const host of hosts) {
      await expect
        .poll(() => host.status().servers.map(({ state }) => state), { timeout: 120_000 })
        .toEqual(['active']);
    }
    await send();
    await expect.poll(() => counted('ttl_expired'), { timeout: 120_000 }).toBe(1);
    expect(counted('ring', 'flow')).toBe(HOPS - 1);

    // What is attached goes on without the agents.
    for (const host of hosts) await host.kill();
    await send();
    await expect.poll(() => counted('ttl_expired'), { timeout: 120_000 }).toBe(2);
    expect(counted('ring', 'flow')).toBe(2 * (HOPS - 1));
  },
);
