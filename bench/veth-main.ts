// SPDX-License-Identifier: Apache-2.0
/** benchVeth runs this program in a namespace of its own that has the veth pair `a0`, `b0`. */
import { randomBytes } from 'node:crypto';
import {
  type BpfMap,
  BpfObject,
  type BpfProgram,
  ifindex,
  objectPath,
} from '../bpf/binding/index.js';
import { ethernet, filler, ipv4, quicShort, udp } from '../test/packets/build.js';
import { median } from './statistics.js';
import type { VethRow } from './veth.js';
import type { PoolPlan } from './world.js';
import { denseId, quicLb, VIP_ADDRESS, vipPort, World } from './world.js';

const CIDS = 1024;
const PACKETS = 1024 * 1024;
const ROUNDS = 7;
const HEAD_OCTETS = 64;
const PLAN = { ifindex: 64, cidOffset: 68, counter: 72, limit: 80, returned: 88 } as const;
/** Frames that one call offers. Those beyond the window are not sent. */
const OFFER = 65_536;
/** After this many offers without a returned frame, the missing ones count as lost. */
const MOST_IDLE_OFFERS = 200;
const CID_OCTETS = 24;
const DESTINATIONS = 8192;
/** The low bits of the address of real 1. World gives the others the addresses after it. */
const FIRST_DESTINATION = 0x0a01_0000 & (DESTINATIONS - 1);

const object = await BpfObject.load(objectPath('veth'));
const [prepared, received] = [object.map('cids'), object.map('received')];
const planOctets = object.map('.data.plan').mmap();
const [send, reflect] = [object.program('send'), object.program('reflect')];
const world = await World.load(64 * 1024);
const near = ifindex('a0');
const far = ifindex('b0');
const receiving = object.program('receive').attachXdp(near, 'native');

const results: VethRow[] = [];
const plaintext: PoolPlan = { codec: quicLb(3, 4, false), id: denseId, count: CIDS };
const fourPass: PoolPlan = { codec: quicLb(3, 4, true), id: denseId, count: CIDS };
world.addPool(1, 4, plaintext);
world.addPool(2, 4, fourPass);

const cases = [
  { name: 'veth: plain XDP_TX, no balancer', pool: 1, plan: plaintext, program: 'reflect' },
  { name: 'veth: plaintext CID, 1k CIDs', pool: 1, plan: plaintext, program: 'balancer' },
  { name: 'veth: four-pass of 8 octets, 1k CIDs', pool: 2, plan: fourPass, program: 'balancer' },
] as const;
const seconds = cases.map((): number[] => []);
const lost = cases.map(() => 0);
const astray = cases.map(() => 0);
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, { pool, plan, program }] of cases.entries()) {
    const balanced = program === 'balancer';
    const under = balanced ? world.balancer.program : reflect;
    const run = transfer(under, pool, plan);
    seconds[i]?.push(run.seconds);
    lost[i] = (lost[i] ?? 0) + run.lost;
    if (balanced) astray[i] = (astray[i] ?? 0) + run.astray;
  }
}
for (const [i, { name }] of cases.entries()) {
  results.push({
    case: name,
    perSecond: PACKETS / median(seconds[i] ?? []),
    packets: ROUNDS * PACKETS,
    lost: lost[i] ?? 0,
    astray: astray[i] ?? 0,
  });
}
receiving.detach();
world.balancer.close();
object.close();
process.stdout.write(`${JSON.stringify(results)}\n`);

/** Sends {@link PACKETS} frames through the program at the far end, and counts what returns. */
function transfer(under: BpfProgram, pool: number, plan: PoolPlan) {
  const link = under.attachXdp(far, 'native');
  try {
    const cids = Array.from({ length: CIDS }, (_, i) =>
      plan.codec.encode(plan.id(i), randomBytes(plan.codec.nonceLength)),
    );
    const frame = ethernet(
      ipv4(
        { source: '192.0.2.1', destination: VIP_ADDRESS[4] },
        udp(
          { source: 40000, destination: vipPort(pool) },
          quicShort({ dcid: cids[0] ?? '' }, filler(100)),
        ),
      ),
    );
    const cidOffset = 14 + 20 + 8 + 1;
    prepare(frame, cidOffset, cids);
    const before = counts(received);
    const started = process.hrtime.bigint();
    sendAll(frame);
    const elapsed = Number(process.hrtime.bigint() - started) / 1e9;
    const after = counts(received);
    const grown = after.map((count, key) => count - (before[key] ?? 0));
    return {
      seconds: elapsed,
      lost: PACKETS - grown.reduce((sum, count) => sum + count, 0),
      astray: countAstray(grown, plan),
    };
  } finally {
    link.detach();
    link.close();
  }
}

/** Returns when every frame is back, or when none has come for a long time. */
function sendAll(frame: Uint8Array): void {
  const words = new BigUint64Array(planOctets.buffer, planOctets.byteOffset);
  let idle = 0;
  for (let back = 0n; back < BigInt(PACKETS) && idle < MOST_IDLE_OFFERS; ) {
    send.testRun({ data: frame, repeat: OFFER, live: true });
    const now = words[PLAN.returned / 8] ?? 0n;
    idle = now === back ? idle + 1 : 0;
    back = now;
  }
}

function prepare(frame: Uint8Array, cidOffset: number, cids: readonly Uint8Array[]): void {
  const view = new DataView(planOctets.buffer, planOctets.byteOffset);
  planOctets.set(frame.subarray(0, HEAD_OCTETS), 0);
  view.setUint32(PLAN.ifindex, near, true);
  view.setUint32(PLAN.cidOffset, cidOffset, true);
  view.setBigUint64(PLAN.counter, 0n, true);
  view.setBigUint64(PLAN.limit, BigInt(PACKETS), true);
  view.setBigUint64(PLAN.returned, 0n, true);
  for (const [i, cid] of cids.entries()) {
    const value = frame.slice(cidOffset, cidOffset + CID_OCTETS);
    value.set(cid);
    prepared.update(i, value);
  }
}

/** Packets by the low bits of their outer destination. */
function counts(map: BpfMap): number[] {
  return Array.from({ length: DESTINATIONS }, (_, key) => {
    const octets = map.lookup(key) ?? new Uint8Array(0);
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    let sum = 0n;
    for (let at = 0; at < octets.length; at += 8) sum += view.getBigUint64(at, true);
    return Number(sum);
  });
}

/** How many packets did not get to the server that their CID names. */
function countAstray(grown: readonly number[], plan: PoolPlan): number {
  const wanted = new Array<number>(DESTINATIONS).fill(0);
  for (let i = 0; i < plan.count; i++) {
    const key = (FIRST_DESTINATION + World.realOf(i, 4) - 1) & (DESTINATIONS - 1);
    wanted[key] = (wanted[key] ?? 0) + PACKETS / CIDS;
  }
  return grown.reduce((sum, count, key) => sum + Math.max(0, count - (wanted[key] ?? 0)), 0);
}
