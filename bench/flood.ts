// SPDX-License-Identifier: Apache-2.0
import { availableParallelism } from 'node:os';
import {
  ethernet,
  filler,
  fragmentationNeeded,
  ipText,
  ipv4,
  quicLong,
  quicShort,
  udp,
} from '../test/packets/build.js';
import { XDP_TX } from './measure.js';
import { Prelude, type Traffic } from './prelude.js';
import { median } from './statistics.js';
import { denseId, type PoolPlan, quicLb, VIP_ADDRESS, vipPort, World } from './world.js';

/** What a flood costs, and what the packets of others suffered from it. */
export interface FloodRow {
  readonly case: string;
  /** Median nanoseconds that a packet of the flood takes, net of the floor. */
  readonly netNs: number;
  /** Packets of the flood. */
  readonly packets: number;
  /** Packets of established flows and of routable CIDs that came in between. */
  readonly legitimate: number;
  /** Of these, how many were not sent, or went to another server than before. */
  readonly lost: number;
}

export interface FloodOptions {
  /** Rounds of a flood; after each, every flow and every CID sends a packet. */
  readonly rounds: number;
  /** Packets of the flood in a round. */
  readonly packets: number;
  /** Number of established flows, and of CIDs. */
  readonly legitimate: number;
  readonly cpu: number;
}

export interface Flood {
  readonly name: string;
  readonly traffic: Traffic;
  /** The XDP verdict for its packets. */
  readonly verdict: number;
}

const XDP_DROP = 1;
/** Octets of an outer IPv4 header. */
const IPIP = 20;
/** Offset of the outer IPv4 destination in a frame. */
const OUTER_DESTINATION = 14 + 16;
const CID_POOL = 1;
const FLOW_POOL = 2;
const CIDS: PoolPlan = { codec: quicLb(3, 4, false), id: denseId, count: 1024 };
const STRANGER = '203.0.113.66';

export async function benchFlood(options: Partial<FloodOptions> = {}): Promise<FloodRow[]> {
  const world = await floodWorld();
  try {
    const prelude = await Prelude.load();
    prelude.aim(world.balancer.program);
    const all = {
      ...{ rounds: 16, packets: 65_536, legitimate: 1000, cpu: availableParallelism() - 1 },
      ...options,
    };
    return FLOODS.map((flood) => measureFlood(world, prelude, flood, all));
  } finally {
    world.balancer.close();
  }
}

/** Answers and forwarded errors are off: of a flood, all but a few a second are over the rate. */
export async function floodWorld(): Promise<World> {
  const world = await World.load(64 * 1024);
  world.addPool(CID_POOL, 4, CIDS);
  world.addPool(FLOW_POOL, 4, undefined);
  world.balancer.setSettings({ icmpPerSecond: 0, icmpErrorsPerSecond: 0 });
  return world;
}

export function measureFlood(
  world: World,
  prelude: Pick<Prelude, 'prepare' | 'run'>,
  { name, traffic, verdict }: Flood,
  { rounds, packets, legitimate, cpu }: FloodOptions,
): FloodRow {
  const { balancer } = world;
  const send = (data: Uint8Array): string => {
    const { retval, data: out } = balancer.program.testRun({ data, cpu });
    return retval === XDP_TX
      ? ipText(out.subarray(OUTER_DESTINATION, OUTER_DESTINATION + 4))
      : `verdict ${retval}`;
  };
  balancer.map('flows').mmap().fill(0);
  const flows = Array.from({ length: legitimate }, (_, i) => flowFrame(i));
  const cids = Array.from({ length: legitimate }, (_, i) => cidFrame(i % CIDS.count));
  const frames = [...flows, ...cids];
  // Twice: a flow is established with its second packet.
  for (const frame of frames) send(frame);
  const servers = frames.map(send);
  // From now on the ring leads elsewhere, so that a flow that is forgotten moves.
  turnRing(world);

  const times: number[] = [];
  let lost = 0;
  prelude.prepare(traffic);
  const floor = prelude.run(traffic, packets, 'floor', cpu).durationNs;
  for (let round = 0; round < rounds; round++) {
    const { retval, durationNs } = prelude.run(traffic, packets, 'target', cpu);
    if (retval !== verdict) throw new Error(`${name}: the program returned ${retval}`);
    times.push(durationNs);
    for (const [i, frame] of frames.entries()) if (send(frame) !== servers[i]) lost++;
  }
  return {
    case: `flood: ${name}`,
    netNs: median(times) - floor,
    packets: rounds * packets,
    legitimate: rounds * frames.length,
    lost,
  };
}

function turnRing({ balancer }: World): void {
  const key = { address: VIP_ADDRESS[4], port: vipPort(FLOW_POOL), protocol: 'udp' } as const;
  const first = balancer.vip(key)?.ring;
  if (first === undefined) throw new Error('the VIP has no ring');
  balancer.setRing(first, balancer.ring(first).slice().reverse());
}

function toVip(pool: number, body: Uint8Array, source: string, port: number): Uint8Array {
  return ethernet(
    ipv4(
      { source, destination: VIP_ADDRESS[4], dontFragment: true },
      udp({ source: port, destination: vipPort(pool) }, body),
    ),
  );
}

const INITIAL = quicLong({ dcid: '0102030405060708' }, filler(100));

function flowFrame(i: number): Uint8Array {
  return toVip(FLOW_POOL, INITIAL, `192.0.2.${i & 0xff}`, 20_000 + (i >> 8));
}

function cidFrame(id: number): Uint8Array {
  const dcid = CIDS.codec.encode(denseId(id), Uint8Array.of(1, 2, 3, 4));
  return toVip(CID_POOL, quicShort({ dcid }, filler(100)), STRANGER, 40_000);
}

function traffic(frame: Uint8Array, more: Partial<Traffic> = {}): Traffic {
  return { frame, growth: 0, tuple: 'fixed', id: { kind: 'fixed' }, cidOffset: 43, ...more };
}

const unknown = quicShort({ dcid: 'ffffffffffffffff' }, filler(1450));

export const FLOODS: readonly Flood[] = [
  {
    name: 'one packet each from made-up addresses',
    traffic: traffic(toVip(FLOW_POOL, INITIAL, STRANGER, 1), { tuple: 'new', growth: IPIP }),
    verdict: XDP_TX,
  },
  {
    name: 'short headers with unknown CIDs, of many flows',
    traffic: traffic(toVip(CID_POOL, unknown.subarray(0, 100), STRANGER, 1), {
      ...{ tuple: 'new', growth: IPIP },
    }),
    verdict: XDP_TX,
  },
  {
    name: 'packets too big for the tunnel, over the rate of answers',
    traffic: traffic(toVip(FLOW_POOL, unknown, STRANGER, 1)),
    verdict: XDP_DROP,
  },
  {
    name: 'forged ICMP errors, over their rate',
    traffic: traffic(
      ethernet(
        ipv4(
          { source: STRANGER, destination: VIP_ADDRESS[4] },
          fragmentationNeeded(
            1400,
            ipv4(
              { source: VIP_ADDRESS[4], destination: '192.0.2.1' },
              udp({ source: vipPort(FLOW_POOL), destination: 20_000 }, filler(100)),
            ),
          ),
        ),
      ),
    ),
    verdict: XDP_DROP,
  },
];
