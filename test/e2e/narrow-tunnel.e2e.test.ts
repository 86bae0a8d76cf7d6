// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inNamespace, ipBatch, run } from '../netns/command.js';
import { Scope } from '../netns/scope.js';
import { VIP_PORT, VIP4, VIP6 } from '../netns/topology.js';
import { codecOf } from '../system/codec.js';
import { FOUR_PASS, SystemDocument } from '../system/document.js';
import { UdpRig } from '../udp/rig.js';

// The link to one server takes less than the balancers were told. What needs more is lost at the
// router, which tells the balancers; senders hear nothing, because no packet of theirs was refused.
const NARROW_MTU = 1400;
const IPIP_OCTETS = 20;
const TRIES = 3;

let scope: Scope;
let rig: UdpRig;
/** A short header by which packets go to the first server. */
let header: string;

beforeAll(async () => {
  scope = new Scope('cdctun');
  rig = await UdpRig.start(scope, [FOUR_PASS]);
  const codec = codecOf(rig.document, FOUR_PASS);
  const id = Buffer.from(SystemDocument.serverId(FOUR_PASS, 0), 'hex');
  const cid = codec.encode(id, new Uint8Array(FOUR_PASS.nonceLength).fill(7));
  header = `40${Buffer.from(cid).toString('hex')}`;
  await ipBatch(rig.topology.router, [
    `link set ${rig.topology.servers[0]?.routerInterface} mtu ${NARROW_MTU}`,
  ]);
});

afterAll(() => scope.dispose());

/** Which server answered each of so many datagrams, of so many octets of UDP payload. */
async function answersTo(vip: string, source: string, count: number, octets: number) {
  const filler = '00'.repeat(octets - header.length / 2 - 4);
  const probes = Array.from({ length: count }, () => ({ source: 0, payload: header + filler }));
  const server = { host: vip, port: VIP_PORT };
  return (await rig.probe({ server, sources: [{ address: source, port: 0 }], probes, window: 1 }))
    .answers;
}

describe.each([
  ['IPv4', VIP4, '10.1.0.2', '10.1.0.3'],
  ['IPv6', VIP6, '2001:db8:1::2', '2001:db8:1::3'],
])(
  'a link to a server that is narrower than --mtu says, for clients of %s',
  (_, vip, first, then) => {
    const narrowOnes = async () => {
      const all = await Promise.all(rig.agents.map((agent) => agent.status()));
      return all.flatMap(({ servers }) => servers.filter(({ narrow }) => narrow !== null));
    };
    const server = () => {
      const [found] = rig.topology.servers;
      if (found === undefined) throw new Error('there are no servers');
      return found;
    };

    test('loses what needs more, which is warned of', async () => {
      for (const agent of rig.agents) {
        await agent.kill();
        await agent.start();
      }
      expect(await answersTo(vip, first, TRIES, 1200)).toEqual(Array(TRIES).fill(server().name));
      expect(await answersTo(vip, first, TRIES, 1420)).toEqual(Array(TRIES).fill(null));
      const found = await narrowOnes();
      expect(found.length).toBeGreaterThanOrEqual(1);
      for (const { name, mtu, narrow } of found) {
        expect([name, mtu, narrow]).toMatchObject([
          server().name,
          null,
          { mtu: NARROW_MTU, sent: 1600 },
        ]);
      }
      const warned = () =>
        rig.agents.filter((agent) => /tunnels to this server do not fit/.test(agent.tail(200)));
      await expect.poll(() => warned().length, { timeout: 120_000 }).toBeGreaterThanOrEqual(1);
      const lines = warned()
        .flatMap((agent) => agent.tail(200).split('\n'))
        .filter((line) => line.includes('do not fit'));
      for (const line of lines) {
        expect(JSON.parse(line)).toMatchObject({
          level: 'warn',
          server: server().name,
          address: server().address4,
          mtu: NARROW_MTU,
          sent: 1600,
        });
      }
    });

    test('with --server-mtu its senders are told what fits', async () => {
      for (const agent of rig.agents) {
        await agent.kill();
        await agent.start('--server-mtu', `${server().address4}=${NARROW_MTU}`);
      }
      expect(await narrowOnes()).toEqual([]);
      for (const agent of rig.agents) {
        const { servers } = await agent.status();
        expect(servers.map(({ mtu }) => mtu)).toEqual([NARROW_MTU, null, null]);
      }
      expect(await answersTo(vip, then, 1, 1420)).toEqual([null]);
      await expect.poll(() => pathMtu(vip, then), { timeout: 5000 }).toBe(NARROW_MTU - IPIP_OCTETS);
      expect(await answersTo(vip, then, TRIES, 1300)).toEqual(Array(TRIES).fill(server().name));
    });
  },
);

/** The MTU that the client knows of the path to the VIP. */
async function pathMtu(vip: string, from: string): Promise<number | undefined> {
  const get = ['ip', 'route', 'get', vip, 'from', from];
  const route = await run(inNamespace(rig.topology.client, get));
  const [, mtu] = / mtu (\d+)/.exec(route.replaceAll('\n', ' ')) ?? [];
  return mtu === undefined ? undefined : Number(mtu);
}
