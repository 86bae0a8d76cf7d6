// SPDX-License-Identifier: Apache-2.0
/** A CID of a new scheme, from a document over a sidecar to the balancer in the kernel. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Balancer, buildRing, SMALLEST_RING } from '../../bpf/tables/index.js';
import type { DesiredState, Pool } from '../../registry/index.js';
import { pinToOneCpu } from '../fuzz/pin.js';
import { ethernet, ipv4, quicShort, udp } from '../packets/build.js';
import { issue, parse } from './toy-pool.js';

const XDP_TX = 3;
/** What has no CID that routes goes here. */
const RING_REAL = 3;

let balancer: Balancer;
let release: () => void;
let state: DesiredState;

beforeAll(async () => {
  release = pinToOneCpu().release;
  state = parse().state;
  balancer = await Balancer.load({
    vips: 16,
    pools: 4,
    configs: 8,
    reals: 64,
    serverIdRows: 64,
    ringEntries: 3 * (SMALLEST_RING + 1),
    flowsPerCpu: 1024,
    eventsOctets: 4096,
  });
  const [pool] = state.pools;
  if (pool !== undefined) program(pool);
});

afterAll(() => {
  balancer?.close();
  release?.();
});

/** Real n is the n-th server. */
function program({ vips, configs, servers }: Pool): void {
  for (let real = 1; real <= RING_REAL; real++) {
    const address = servers[real - 1]?.address ?? '10.0.1.9';
    const tunnel = { encapsulation: 'ipip', source4: '10.0.0.1', incarnation: 1 } as const;
    balancer.setReal(real, { address, ...tunnel });
  }
  for (const { id, codec } of configs) {
    const ids = servers.flatMap(({ serverIds }, index) =>
      (serverIds.get(id) ?? []).map((serverId) => [serverId, index + 1] as const),
    );
    balancer.setConfig(1, codec.decodePlan, ids);
  }
  const ring = balancer.allocateRing(SMALLEST_RING);
  balancer.setRing(ring, buildRing([{ key: 'ring', real: RING_REAL, weight: 1 }], SMALLEST_RING));
  for (const { address, port, protocol, quic } of vips) {
    balancer.setVip({ address, port, protocol, vip: 1, quic, pool: 1, ring });
  }
}

/** The outer destination of a packet with this DCID. */
function sentTo(dcid: Uint8Array): string {
  const payload = quicShort({ dcid });
  const transport = udp({ source: 40000, destination: 443 }, payload);
  const packet = ethernet(ipv4({ source: '192.0.2.1', destination: '198.51.100.10' }, transport));
  const { data, retval } = balancer.program.testRun({ data: packet });
  expect(retval).toBe(XDP_TX);
  return data.subarray(14 + 16, 14 + 20).join('.');
}

it.each(['web-1', 'web-2'])('reaches %s, whose sidecar issued it', async (name) => {
  const server = state.pools[0]?.servers.find((each) => each.name === name);
  for (const cid of await issue(state, name, 50)) expect(sentTo(cid)).toBe(server?.address);
  expect(balancer.counters().vips.get(1)?.config_5?.packets).toBeGreaterThanOrEqual(50);
});

it('goes by the ring where nobody has its server ID', async () => {
  const [cid] = await issue(state, 'web-1', 1);
  if (cid === undefined) throw new Error('a CID was issued');
  cid[cid.length - 1] = 9;
  expect(sentTo(cid)).toBe('10.0.1.9');
  expect(balancer.counters().vips.get(1)?.cid_unknown_server_id?.packets).toBe(1);
});
