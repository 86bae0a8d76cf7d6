// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inNamespace, ipBatch, run } from '../netns/command.js';
import { Scope } from '../netns/scope.js';
import { type Host, VIP_PORT, VIP4, VIP6 } from '../netns/topology.js';
import { FOUR_PASS } from '../system/document.js';
import { UdpRig } from '../udp/rig.js';

// The client's link has a smaller MTU than the servers know. The router sends its "too big" to the
// VIP, and so to any of the balancers, but only the server that sent the packet can use it.
const NARROW_MTU = 1400;
const FIRST_PORT = 20_001;
const FLOWS = 3;

let scope: Scope;
let rig: UdpRig;

beforeAll(async () => {
  scope = new Scope('cdetoe');
  rig = await UdpRig.start(scope, [FOUR_PASS]);
  await ipBatch(rig.topology.router, [`link set c0 mtu ${NARROW_MTU}`]);
});

afterAll(() => scope.dispose());

describe.each([
  ['IPv4', VIP4, (i: number) => `10.1.0.${i + 2}`],
  ['IPv6', VIP6, (i: number) => `2001:db8:1::${i + 2}`],
])('ICMP errors over %s', (_family, vip, clientAddress) => {
  test('"packet too big" reaches the server that the packet came from', async () => {
    for (let i = 0; i < FLOWS; i++) {
      const address = clientAddress(i);
      const source = { address, port: FIRST_PORT + i };
      const { answers } = await rig.probe({
        server: { host: vip, port: VIP_PORT },
        sources: [source],
        // An Initial whose DCID has no meaning, so that the flow decides.
        probes: [{ source: 0, payload: `c00000000108${'e7'.repeat(8)}00${'00'.repeat(40)}` }],
        window: 1,
      });
      const index = rig.topology.servers.findIndex(({ name }) => name === answers[0]);
      const host = rig.topology.servers[index];
      if (host === undefined) throw new Error(`nobody answered ${address}`);
      expect(await pathMtu(host, vip, address)).not.toBe(NARROW_MTU);
      const big = { host: address, port: source.port, size: NARROW_MTU };
      await rig.responders[index]?.call('send', big);
      await expect.poll(() => pathMtu(host, vip, address), { timeout: 5000 }).toBe(NARROW_MTU);
      for (const other of rig.topology.servers) {
        if (other !== host) expect(await pathMtu(other, vip, address)).not.toBe(NARROW_MTU);
      }
    }
  });
});

/** The MTU that the host knows of the path from the VIP to an address. */
async function pathMtu(host: Host, from: string, to: string): Promise<number | undefined> {
  const route = await run(inNamespace(host.namespace, ['ip', 'route', 'get', to, 'from', from]));
  const mtu =
    /cache.* mtu (\d+)/.exec(route.replaceAll('\n', ' '))?.[1] ?? / mtu (\d+)/.exec(route)?.[1];
  return mtu === undefined ? undefined : Number(mtu);
}
