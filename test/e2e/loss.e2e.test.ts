// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Reason } from '../../bpf/tables/reasons.js';
import type { CidCodec } from '../../cid/index.js';
import { Scope } from '../netns/scope.js';
import { CLIENT_ADDRESSES4, CLIENT_ADDRESSES6, VIP_PORT, VIP4, VIP6 } from '../netns/topology.js';
import { codecOf } from '../system/codec.js';
import { type Outcomes, outcomesOf, packetsSeen, total } from '../system/counters.js';
import { FOUR_PASS, SystemDocument } from '../system/document.js';
import type { Probe } from '../udp/prober.js';
import { UdpRig } from '../udp/rig.js';

// Few enough datagrams are under way at a time that no queue of the network overflows.
const SOURCES = 48;
const PROBES = 9000;
const WINDOW = 48;

let scope: Scope;
let rig: UdpRig;
let codec: CidCodec;

beforeAll(async () => {
  scope = new Scope('cdetoe');
  rig = await UdpRig.start(scope, [FOUR_PASS]);
  codec = codecOf(rig.document, FOUR_PASS);
});

afterAll(() => scope.dispose());

describe.each([
  ['IPv4', VIP4, CLIENT_ADDRESSES4],
  ['IPv6', VIP6, CLIENT_ADDRESSES6],
])('datagrams over %s', (_family, host, addresses) => {
  test('none is lost or doubled, and each arrives where its CID or its flow says', async () => {
    const sources = Array.from({ length: SOURCES }, (_, i) => ({
      address: addresses[i % addresses.length] ?? '',
      port: 0,
    }));
    const probes = Array.from({ length: PROBES }, (_, i) => makeProbe(i));
    const { answers, duplicates } = await rig.probe({
      server: { host, port: VIP_PORT },
      sources,
      probes,
      window: WINDOW,
    });
    expect(answers.filter((answer) => answer === null)).toHaveLength(0);
    expect(duplicates).toBe(0);
    // Packets go by CID from any source, even if flows of the same source go elsewhere.
    const misrouted = probes.filter(
      ({ owner }, i) => owner !== null && rig.topology.servers[owner]?.name !== answers[i],
    );
    expect(misrouted).toHaveLength(0);
    // Without a routable CID a source is one flow, and stays with one server.
    const byFlow = new Map<number, Set<string | null>>();
    probes.forEach(({ source, owner }, i) => {
      if (owner !== null) return;
      const servers = byFlow.get(source) ?? new Set();
      byFlow.set(source, servers.add(answers[i] ?? null));
    });
    expect([...byFlow.values()].filter((servers) => servers.size !== 1)).toHaveLength(0);
    // The ring uses all servers; 48 flows miss one of three with a chance of 1 in 10^8.
    expect(new Set([...byFlow.values()].flatMap((servers) => [...servers])).size).toBe(3);
  });
});

test('every packet that a balancer saw has one outcome, and the model says which', async () => {
  const sums: Outcomes = {};
  for (const agent of rig.agents) {
    // Both counts may grow, because hosts send MLD now and then, which passes.
    await expect
      .poll(async () => {
        const before = await packetsSeen(agent.host);
        const outcomes = outcomesOf(await agent.status());
        const after = await packetsSeen(agent.host);
        return before === after && total(outcomes) === before;
      })
      .toBe(true);
    for (const [reason, count] of Object.entries(outcomesOf(await agent.status()))) {
      sums[reason as Reason] = (sums[reason as Reason] ?? 0) + count;
    }
  }
  const { not_vip: _, not_ip: __, cid, flow = 0, ring = 0, ...others } = sums;
  expect(others).toEqual({});
  // In both families half of the probes go by CID, the others by flow or ring.
  expect(cid).toBe(PROBES);
  expect(flow + ring).toBe(PROBES);
});

interface ExpectedProbe extends Probe {
  /** Index of the server that the CID names; null if the flow decides. */
  readonly owner: number | null;
}

function makeProbe(index: number): ExpectedProbe {
  const source = Math.floor(Math.random() * SOURCES);
  const owner = index % 3;
  switch (index % 6) {
    case 0:
    case 1:
    case 2: {
      const serverId = Buffer.from(SystemDocument.serverId(FOUR_PASS, owner), 'hex');
      const cid = codec.encode(serverId, randomBytes(FOUR_PASS.nonceLength));
      const long = index % 4 === 0;
      return {
        source,
        owner,
        payload: (long ? longHeader(cid) : shortHeader(cid)).toString('hex'),
      };
    }
    case 3: {
      const failover = randomBytes(8);
      failover[0] = 0xe7;
      return { source, owner: null, payload: shortHeader(failover).toString('hex') };
    }
    case 4: {
      // A client begins with a random DCID. It decodes to the ID of one of three servers with a
      // chance of 1 in 40 million.
      return { source, owner: null, payload: longHeader(randomBytes(20)).toString('hex') };
    }
    default:
      // A CID with an ID that no server has.
      return { source, owner: null, payload: shortHeader(nobody()).toString('hex') };
  }
}

function nobody(): Uint8Array {
  const serverId = Buffer.from(SystemDocument.serverId(FOUR_PASS, 200), 'hex');
  return codec.encode(serverId, randomBytes(FOUR_PASS.nonceLength));
}

function shortHeader(cid: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(0x40), cid, randomBytes(24)]);
}

/** A long header of version 1 with an empty SCID; balancers read no further. */
function longHeader(cid: Uint8Array): Buffer {
  const version = Uint8Array.of(0, 0, 0, 1);
  return Buffer.concat([
    ...[Uint8Array.of(0xc0), version, Uint8Array.of(cid.length), cid, Uint8Array.of(0)],
    randomBytes(64),
  ]);
}
