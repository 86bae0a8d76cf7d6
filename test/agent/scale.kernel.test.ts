// SPDX-License-Identifier: Apache-2.0
import { release } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { Balancer, type BalancerCapacity } from '../../bpf/tables/index.js';
import { type CidCodec, createCodec } from '../../cid/index.js';
import { Secret } from '../../core/index.js';
import { Applier } from '../../lb-agent/drivers/xdp/apply.js';
import { capacityFor, capacityOf } from '../../lb-agent/drivers/xdp/capacity.js';
import { readTables } from '../../lb-agent/drivers/xdp/read.js';
import { maglevRings } from '../../lb-agent/drivers/xdp/ring-cache.js';
import { assign, NO_ASSIGNMENT } from '../../lb-agent/reconcile/assign.js';
import { needFor } from '../../lb-agent/reconcile/capacity.js';
import type { Goal } from '../../lb-agent/reconcile/goal.js';
import { IndexCooldown } from '../../lb-agent/reconcile/index-cooldown.js';
import { REPLY } from '../../lb-agent/reconcile/next-hop.js';
import { plan } from '../../lb-agent/reconcile/plan.js';
import { NO_TABLES, type Tables } from '../../lb-agent/reconcile/tables.js';
import {
  type DesiredState,
  type Pool,
  type Server,
  unpackIds,
  type Vip,
} from '../../registry/index.js';
import { readFrame } from '../model/datagram.js';
import { flowHash } from '../model/hash.js';
import { ethernet, ipAny, ipText, quicShort, tcp, udp } from '../packets/build.js';
import { mapMemory } from '../system/map-memory.js';

const POOLS = 20;
const VIPS = 50;
const SERVERS = 500;
const IDS = 50_000;
const IDS_EACH = IDS / SERVERS;
const PACKETS = 1_500;
const XDP_TX = 3;
const SEED = 0x6369_6465_6361_7221n;

const balancers: Balancer[] = [];
afterEach(() => {
  for (const balancer of balancers.splice(0)) balancer.close();
});

async function load(capacity: BalancerCapacity): Promise<Balancer> {
  const balancer = await Balancer.load(capacity, { hashSeed: SEED });
  balancers.push(balancer);
  return balancer;
}

/** Pseudorandom numbers below `end`, the same in each run. */
function randomNumbers(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * end);
  };
}

/** The codec of a pool; the pools take turns in all kinds of decode plans. */
function codecOf(pool: number): CidCodec {
  const quicLb = { scheme: 'quic-lb', serverUseLength: 0, lengthSelfEncoded: true } as const;
  const key = new Secret(new Uint8Array(16).fill(pool + 1));
  switch (pool % 5) {
    case 0:
      return createCodec({ ...quicLb, configId: 0, serverIdLength: 3, nonceLength: 4, key: null });
    case 1:
      return createCodec({ ...quicLb, configId: 1, serverIdLength: 8, nonceLength: 8, key });
    case 2:
      return createCodec({ ...quicLb, configId: 5, serverIdLength: 4, nonceLength: 7, key });
    case 3:
      return createCodec({ scheme: 'katran', version: 1, cidLength: 8 });
    default:
      return createCodec({ scheme: 'katran', version: 3, cidLength: 12 });
  }
}

/** IDs of one server. In every second pool they are in no order, as if another system chose them. */
function idsOf(pool: number, server: number, length: number): readonly Uint8Array[] {
  const octets = Buffer.alloc(length * IDS_EACH);
  for (let i = 0; i < IDS_EACH; i++) {
    const number = 1 + server * IDS_EACH + i;
    const id = pool % 2 === 1 && length > 2 ? (number * 786_433) % 2 ** 24 : number;
    const low = Math.min(length, 6);
    octets.writeUIntBE(id, (i + 1) * length - low, low);
  }
  return unpackIds(octets, length);
}

function vipOf(pool: number, n: number): Vip {
  const address = n % 2 === 0 ? `198.18.${pool}.${n}` : `2001:db8:${pool + 1}::${n}`;
  return { address, port: 443, protocol: n % 5 === 3 ? 'tcp' : 'udp', quic: n % 5 < 3 };
}

function serverOf(pool: number, n: number, codec: CidCodec, config: number): Server {
  const two = n % 4 < 2;
  return {
    name: `p${pool}-${n}`,
    address: n % 2 === 0 ? `10.${pool}.${n >> 8}.${n & 255}` : `2001:db8:ff${pool + 10}::${n + 1}`,
    serverIds: new Map([[config, idsOf(pool, n, codec.serverIdLength)]]),
    weight: 100,
    state: n % 10 === 0 ? 'draining' : 'active',
    encapsulation: two ? 'ipip' : 'gue',
  };
}

function document(): DesiredState {
  const pools = Array.from({ length: POOLS }, (_, pool): Pool => {
    const codec = codecOf(pool);
    const id = codec.decodePlan.configBits[0] ?? 0;
    return {
      name: `p${pool}`,
      vips: Array.from({ length: VIPS }, (_, n) => vipOf(pool, n)),
      configs: [{ id, codec, state: 'minting', resetKey: null }],
      servers: Array.from({ length: SERVERS }, (_, n) => serverOf(pool, n, codec, id)),
    };
  });
  return { revision: '1', pools };
}

function frameFor(vip: Vip, port: number, cid: Uint8Array): Uint8Array {
  const ports = { source: port, destination: vip.port };
  const payload = vip.protocol === 'tcp' ? tcp(ports) : udp(ports, quicShort({ dcid: cid }));
  const source = vip.address.includes(':') ? '2001:db8:9::7' : '203.0.113.7';
  return ethernet(ipAny({ source, destination: vip.address }, payload));
}

/** The address that the packet is sent to in a tunnel. */
function sentTo(balancer: Balancer, frame: Uint8Array): string {
  const { retval, data } = balancer.program.testRun({ data: frame, cpu: 0 });
  if (retval !== XDP_TX) return `verdict ${retval}`;
  const four = (data[14] ?? 0) >> 4 === 4;
  return ipText(four ? data.subarray(30, 34) : data.subarray(38, 54));
}

describe('1,000 VIPs, 10,000 servers and 1,000,000 IDs', () => {
  it('are programmed, read back, and routed by each kind of CID and flow', async () => {
    const desired = document();
    const balancer = await load(capacityFor(needFor(desired, NO_TABLES, []), 2 ** 14));
    const target = programmed(balancer, desired);

    const random = randomNumbers(7);
    const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
    for (let n = 0; n < PACKETS; n++) {
      const pool = pick(desired.pools);
      const codec = pool.configs[0]?.codec as CidCodec;
      const server = pick(pool.servers);
      const nonce = Uint8Array.from({ length: codec.nonceLength }, () => random(256));
      const id = pick([...server.serverIds.values()][0] ?? []);
      const vip = pick(pool.vips.filter(({ quic }) => quic));
      const frame = frameFor(vip, 1024 + random(60_000), codec.encode(id, nonce));
      expect(sentTo(balancer, frame), `CID of ${server.name}`).toBe(server.address);
    }
    for (let n = 0; n < PACKETS; n++) {
      const pool = pick(desired.pools);
      const vip = pick(pool.vips);
      const frame = frameFor(vip, 1024 + random(60_000), new Uint8Array(8).fill(0xff));
      const address = ringServer(target, vip, frame);
      // The ring decides first, and then the flow table.
      for (let i = 0; i < 2; i++) expect(sentTo(balancer, frame)).toBe(address);
    }

    const counted = { cid: 0, flow: 0, ring: 0 };
    for (const row of balancer.counters().vips.values()) {
      for (const reason of ['cid', 'flow', 'ring'] as const) {
        counted[reason] += row[reason]?.packets ?? 0;
      }
    }
    expect(counted.cid).toBe(PACKETS);
    expect(counted.flow + counted.ring).toBe(2 * PACKETS);
    // Rarely, chance gives two packets one flow, or a bucket one flow too many.
    expect(counted.flow).toBeGreaterThan(0.98 * PACKETS);
  });
});

/** Programs tables as the agent does, and checks that the agent would find nothing more to do. */
function programmed(balancer: Balancer, desired: DesiredState): Tables {
  const goal: Goal = { desired, verdicts: new Map(), nextHop: () => REPLY };
  const input = {
    goal,
    capacity: capacityOf(balancer),
    previous: NO_ASSIGNMENT,
    cooldown: new IndexCooldown(1000, () => 0),
    buildRing: maglevRings().build,
  };
  const { target } = assign({ ...input, actual: NO_TABLES });
  const sources = { source4: '192.0.2.1', source6: '2001:db8::1' };
  const applier = new Applier(balancer, sources);
  for (const operation of plan(NO_TABLES, target)) applier.apply(operation);
  const actual = readTables(balancer, desired);
  expect(plan(actual, assign({ ...input, actual }).target)).toEqual([{ kind: 'sweep' }]);
  expect([actual.vips.size, actual.reals.size]).toEqual([POOLS * VIPS, POOLS * SERVERS]);
  return target;
}

function ringServer({ vips, rings, reals }: Tables, vip: Vip, frame: Uint8Array): string {
  const read = readFrame(frame);
  if (read.kind !== 'transport') throw new Error(`${vip.address} got no datagram`);
  const key = `${vip.protocol} ${vip.address} ${vip.port}`;
  const ring = rings.get(vips.get(key)?.ring ?? -1) ?? new Uint32Array();
  const { hi } = flowHash(read.datagram, SEED);
  const entry = Number((BigInt(hi) * BigInt(ring.length)) >> 32n);
  return reals.get(ring[entry] ?? 0)?.address ?? 'nowhere';
}

/** Before Linux 6.4 the kernel only estimates the memory of a map, with a key for each value. */
const [MAJOR = 0, MINOR = 0] = release().split('.').map(Number);
const COUNTS_MEMORY = MAJOR > 6 || (MAJOR === 6 && MINOR >= 4);

describe('the estimate of memory', () => {
  const small = { vips: 10, pools: 2, configs: 8, reals: 64, serverIdRows: 256 };
  const events = { flowsPerCpu: 2 ** 14, eventsOctets: 65_536 };
  it.each<[string, BalancerCapacity]>([
    ['few servers', { ...small, ...events, ringEntries: 8200 }],
    ['many IDs', { ...small, ...events, serverIdRows: 200_000, reals: 2000, ringEntries: 410_000 }],
    [
      'many VIPs',
      { ...small, ...events, vips: 4000, pools: 1000, configs: 4000, ringEntries: 9000 },
    ],
  ])('is near what the kernel says: %s', async (_, capacity) => {
    const before = new Set(mapMemory().keys());
    const balancer = await load(capacity);
    const made = [...mapMemory()].filter(([id]) => !before.has(id));
    const octets = made.reduce((sum, [, size]) => sum + size, 0);
    expect(balancer.map('reals').info.maxEntries).toBe(capacity.reals + 1);
    const off = Math.abs(Balancer.estimate(capacity) - octets) / octets;
    expect(off).toBeLessThan(COUNTS_MEMORY ? 0.02 : 0.15);
  });
});
