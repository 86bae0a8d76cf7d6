// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import type { RealEncapsulation, Reason } from '../bpf/tables/index.js';
import { ethernet, filler, ipAny, quicLong, quicShort, udp } from '../test/packets/build.js';
import { type PacketCase, XDP_PASS, XDP_TX } from './measure.js';
import type { IdSource, TupleKind } from './prelude.js';
import {
  DENSE_BASE,
  denseId,
  type Family,
  type PoolPlan,
  quicLb,
  sparseId,
  VIP_ADDRESS,
  vipPort,
  World,
} from './world.js';

const CLIENT: Record<Family, string> = { 4: '192.0.2.1', 6: '2001:db8:1::1' };
/** Octets of the outer header, by family of VIP and server. */
const GROWTH: Record<Family, number> = { 4: 20, 6: 40 };
/** Nanoseconds that a packet of IPv6 may take longer. */
const IPV6_EXTRA = 5;
const K = 1024;

interface Kind {
  readonly name: string;
  /** The most net nanoseconds for IPv4; null for a row without a target. */
  readonly target: number | null;
  readonly plan?: PoolPlan;
  readonly tuple: TupleKind;
  /** Whether each packet has a random ID; otherwise all have the same CID. */
  readonly random: boolean;
  readonly through?: RealEncapsulation;
  readonly growth?: number;
  readonly reason: Reason;
  /** The flow table is full, as after a flood with two packets from each address. */
  readonly full?: true;
  /** Whether the row is measured for IPv6 as well. */
  readonly both: boolean;
}

function plaintext(count: number): PoolPlan {
  return { codec: quicLb(3, 4, false), id: denseId, count };
}

function sparse(count: number): PoolPlan {
  return { codec: quicLb(8, 7, false), id: sparseId, count };
}

function encrypted(serverIdLength: 3, nonceLength: number): PoolPlan {
  return { codec: quicLb(serverIdLength, nonceLength, true), id: denseId, count: K };
}

/** The rows of the packet table in README.md, under the same names, and some for information. */
function kinds(largest: number): Kind[] {
  const cid = { reason: 'cid', both: true } as const;
  const rows: Kind[] = [
    {
      ...cid,
      name: 'plaintext CID, 1 flow',
      target: 25,
      plan: plaintext(K),
      tuple: 'fixed',
      random: false,
    },
    {
      ...cid,
      name: 'plaintext CID, 64k flows, 1k IDs',
      target: 28,
      plan: plaintext(K),
      tuple: 'ports',
      random: true,
    },
    {
      ...cid,
      name: 'plaintext CID, new 4-tuple each, 1k IDs',
      target: 28,
      plan: plaintext(K),
      tuple: 'new',
      random: true,
    },
    {
      ...cid,
      name: 'plaintext CID, random dense IDs, 256k',
      target: 35,
      plan: plaintext(256 * K),
      tuple: 'new',
      random: true,
    },
    {
      ...cid,
      name: 'plaintext CID, random dense IDs, 1M',
      target: 80,
      plan: plaintext(K * K),
      tuple: 'new',
      random: true,
    },
    {
      ...cid,
      name: 'plaintext CID, sparse IDs, 1k',
      target: 40,
      plan: sparse(K),
      tuple: 'new',
      random: true,
    },
    {
      ...cid,
      name: 'plaintext CID, sparse IDs, 256k',
      target: 95,
      plan: sparse(256 * K),
      tuple: 'new',
      random: true,
    },
    {
      ...cid,
      name: 'single-pass encrypted CID',
      target: 95,
      plan: encrypted(3, 13),
      tuple: 'fixed',
      random: false,
    },
    {
      ...cid,
      name: 'four-pass encrypted CID of 8 octets',
      target: 215,
      plan: encrypted(3, 4),
      tuple: 'fixed',
      random: false,
    },
    {
      ...cid,
      name: 'four-pass encrypted CID of 16 octets',
      target: 225,
      plan: encrypted(3, 12),
      tuple: 'fixed',
      random: false,
    },
    {
      ...cid,
      name: 'four-pass encrypted CID of 20 octets',
      target: 235,
      plan: encrypted(3, 16),
      tuple: 'fixed',
      random: false,
    },
    {
      ...cid,
      name: 'single-pass, new 4-tuple each, 1k CIDs',
      target: null,
      plan: encrypted(3, 13),
      tuple: 'new',
      random: true,
    },
    {
      ...cid,
      name: 'four-pass of 8 octets, new 4-tuple each, 1k CIDs',
      target: null,
      plan: encrypted(3, 4),
      tuple: 'new',
      random: true,
    },
    {
      name: 'flow-table hit',
      target: 100,
      tuple: 'fixed',
      random: false,
      reason: 'flow',
      both: true,
    },
    {
      name: 'new flow, all places taken by established ones',
      target: null,
      tuple: 'new',
      random: false,
      full: true,
      reason: 'flow_unremembered',
      both: false,
    },
    { name: 'new flow', target: 400, tuple: 'new', random: false, reason: 'ring', both: true },
    {
      ...cid,
      name: 'plaintext CID, 1 flow, GUE',
      target: null,
      plan: plaintext(K),
      tuple: 'fixed',
      random: false,
      through: 'gue',
      growth: 28,
      both: false,
    },
    {
      ...cid,
      name: 'plaintext CID, 1 flow, L2',
      target: null,
      plan: plaintext(K),
      tuple: 'fixed',
      random: false,
      through: 'l2',
      growth: 0,
      both: false,
    },
  ];
  return rows.filter(({ plan }) => (plan?.count ?? 0) <= largest);
}

/** Programs one balancer for all rows, and says what each row sends. */
export async function buildCases(largest: number): Promise<{ world: World; cases: PacketCase[] }> {
  // Rows for all IDs of both families, 16 dense or about 4 sparse ones in each, and more rows for
  // the small pools.
  const world = await World.load(largest / 8 + 256 * K);
  const cases: PacketCase[] = [];
  let pool = 0;
  for (const family of [4, 6] as const) {
    for (const kind of kinds(largest)) {
      if (family === 6 && !kind.both) continue;
      pool++;
      world.addPool(pool, family, kind.plan, kind.through);
      cases.push(caseOf(world, pool, family, kind));
    }
  }
  return { world, cases: [...cases, ...passing(world)] };
}

/** Packets that no VIP gets, which show what the first steps cost; for information. */
function passing(world: World): PacketCase[] {
  const body = udp({ source: 40000, destination: 9 }, filler(100));
  const row = (name: string, frame: Uint8Array, reason: Reason): PacketCase => ({
    name,
    target: null,
    verdict: XDP_PASS,
    ids: 1,
    traffic: { frame, growth: 0, tuple: 'fixed', id: { kind: 'fixed' }, cidOffset: 0 },
    taken: () => world.othersPackets(reason),
  });
  const to = (family: Family): Uint8Array =>
    ethernet(ipAny({ source: CLIENT[family], destination: VIP_ADDRESS[family] }, body));
  return [
    row('passes: not IP', ethernet({ type: 0x88cc }, filler(120)), 'not_ip'),
    row('passes: no VIP', to(4), 'not_vip'),
    row('IPv6, passes: no VIP', to(6), 'not_vip'),
  ];
}

function caseOf(world: World, pool: number, family: Family, kind: Kind): PacketCase {
  const frame = ethernet(
    ipAny(
      { source: CLIENT[family], destination: VIP_ADDRESS[family] },
      udp({ source: 40000, destination: vipPort(pool) }, datagram(kind)),
    ),
  );
  const target = kind.target === null ? null : kind.target + (family === 6 ? IPV6_EXTRA : 0);
  return {
    name: family === 6 ? `IPv6, ${kind.name}` : kind.name,
    target,
    verdict: XDP_TX,
    ids: kind.random ? (kind.plan?.count ?? 1) : 1,
    traffic: {
      frame,
      growth: kind.growth ?? GROWTH[family],
      tuple: kind.tuple,
      id: kind.random && kind.plan ? idSource(kind.plan) : { kind: 'fixed' },
      cidOffset: frame.length - datagram(kind).length + 1,
    },
    taken: () => world.packets(pool, family, kind.reason),
    ...(kind.full ? { arrange: () => world.fillFlows() } : {}),
  };
}

/** A short header; for a pool without a config an Initial, whose DCID routes nowhere. */
function datagram(kind: Kind): Uint8Array {
  if (kind.plan === undefined) return quicLong({ dcid: '0102030405060708' }, filler(100));
  const { codec, id } = kind.plan;
  return quicShort({ dcid: codec.encode(id(0), randomBytes(codec.nonceLength)) }, filler(100));
}

/** The prelude computes CIDs if it can, because a table of a million would fill the caches. */
function idSource(plan: PoolPlan): IdSource {
  const { codec, id, count } = plan;
  if (codec.algorithm === 'plaintext') {
    return id === denseId ? { kind: 'dense', base: DENSE_BASE, count } : { kind: 'sparse', count };
  }
  const cids = Array.from({ length: Math.min(count, K) }, (_, i) =>
    codec.encode(id(i), randomBytes(codec.nonceLength)),
  );
  return { kind: 'prepared', cids };
}
