// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { readReasons } from '../bpf/tables/counters.js';
import {
  Balancer,
  buildRing,
  DEFAULT_SETTINGS,
  type RealEncapsulation,
  type Reason,
} from '../bpf/tables/index.js';
import { type CidCodec, createCodec } from '../cid/index.js';
import { Secret } from '../core/index.js';
import { splitmix64 } from './prelude.js';

export type Family = 4 | 6;

export const VIP_ADDRESS: Record<Family, string> = { 4: '198.51.100.10', 6: '2001:db8:ffff::10' };
/** The port of a pool's VIPs. */
export const vipPort = (pool: number): number => 4430 + pool;
export const vipRow = (pool: number, family: Family): number =>
  family === 4 ? pool : POOLS + pool;

/**
 * Number of servers of each kind. If there are more IDs, the servers own several each, as they
 * would where a million IDs are in use.
 */
const REALS = 4096;
const RING_SIZE = 65537;
const POOLS = 40;

const FIRST_REAL = { 4: 1, 6: REALS + 1 } as const;
/** For each of these encapsulations there is one server. */
const ODD_REALS: readonly RealEncapsulation[] = ['gue', 'l2'];

/** Words of 4 octets in a flow: two of fingerprint, stamp, and real with incarnation. */
const FLOW_WORDS = 4;

/** The next hop of a server on the segment; packets leave where they came in. */
const L2_HOP = {
  mac: Uint8Array.of(2, 0, 0, 0, 0, 0x99),
  ifindex: 0,
  sourceMac: Uint8Array.of(2, 0, 0, 0, 0, 0x88),
};

/** The bits above the index in dense server IDs of 3 octets, whose index has at most 20 bits. */
const DENSE_TAG = 0xa00000;

/** The config of a pool of the bench, and its IDs. */
export interface PoolPlan {
  readonly codec: CidCodec;
  /** ID number i, for i below `count`. */
  readonly id: (i: number) => Uint8Array;
  readonly count: number;
}

/** IDs of 3 octets without gaps, like those that cidecar assigns. */
export function denseId(i: number): Uint8Array {
  const value = DENSE_TAG + i;
  return Uint8Array.of(value >> 16, (value >> 8) & 0xff, value & 0xff);
}

/** The first 4 octets of a CID of config 0 with {@link denseId}(0), as a number. */
export const DENSE_BASE = DENSE_TAG;

/** IDs of 8 octets without any order, like those that other systems assign. */
export function sparseId(i: number): Uint8Array {
  const octets = new Uint8Array(8);
  new DataView(octets.buffer).setBigUint64(0, splitmix64(BigInt(i)));
  return octets;
}

export function quicLb(serverIdLength: number, nonceLength: number, encrypted: boolean): CidCodec {
  return createCodec({
    scheme: 'quic-lb',
    configId: 0,
    serverIdLength,
    nonceLength,
    serverUseLength: 0,
    lengthSelfEncoded: false,
    key: encrypted ? new Secret(randomBytes(16)) : null,
  });
}

/** A balancer as an operator would program it, with a pool for each kind of config. */
export class World {
  readonly balancer: Balancer;
  readonly #rings: Record<Family, number>;

  private constructor(balancer: Balancer) {
    this.balancer = balancer;
    this.#rings = { 4: this.#addReals(4), 6: this.#addReals(6) };
    for (const [i, encapsulation] of ODD_REALS.entries()) {
      balancer.setReal(2 * REALS + 1 + i, {
        address: '10.255.0.1',
        source4: '10.254.0.1',
        encapsulation,
        incarnation: 1,
        ...(encapsulation === 'l2' ? { nextHop: L2_HOP } : {}),
      });
    }
  }

  /** @param serverIdRows for the tables of all pools */
  static async load(serverIdRows: number): Promise<World> {
    const balancer = await Balancer.load(
      {
        vips: 2 * POOLS,
        pools: POOLS,
        configs: POOLS,
        reals: 2 * REALS + ODD_REALS.length,
        serverIdRows,
        ringEntries: 2 * (RING_SIZE + 1),
        flowsPerCpu: 65536,
        eventsOctets: 4096,
      },
      // On a slow machine a run may take minutes, and a timeout would turn hits into misses.
      { ...DEFAULT_SETTINGS, freshSeconds: 3600, udpSeconds: 3600 },
    );
    return new World(balancer);
  }

  #addReals(family: Family): number {
    const first = FIRST_REAL[family];
    const servers = Array.from({ length: REALS }, (_, i) => {
      const address =
        family === 4 ? `10.1.${i >> 8}.${i & 0xff}` : `2001:db8:2::${(i + 1).toString(16)}`;
      this.balancer.setReal(first + i, {
        address,
        source4: '10.254.0.1',
        source6: '2001:db8:3::1',
        encapsulation: 'ipip',
        incarnation: 1,
      });
      return { key: address, real: first + i, weight: 100 };
    });
    const ring = this.balancer.allocateRing(RING_SIZE);
    this.balancer.setRing(ring, buildRing(servers, RING_SIZE));
    return ring;
  }

  /** The real of ID number i; the reals are in no order. */
  static realOf(i: number, family: Family): number {
    return FIRST_REAL[family] + Number(splitmix64(BigInt(i) + 77n) % BigInt(REALS));
  }

  /**
   * Adds a VIP of one family with a pool of its own. Without a config none of its CIDs route.
   * With `through`, all IDs lead to the one server that has this encapsulation.
   */
  addPool(
    pool: number,
    family: Family,
    plan: PoolPlan | undefined,
    through?: RealEncapsulation,
  ): void {
    if (plan !== undefined) {
      const { id, count, codec } = plan;
      const odd = through === undefined ? -1 : ODD_REALS.indexOf(through);
      const ids = function* (): Generator<[Uint8Array, number]> {
        for (let i = 0; i < count; i++) {
          yield [id(i), odd < 0 ? World.realOf(i, family) : 2 * REALS + 1 + odd];
        }
      };
      this.balancer.setConfig(pool, codec.decodePlan, ids());
    }
    this.balancer.setVip({
      vip: vipRow(pool, family),
      address: VIP_ADDRESS[family],
      port: vipPort(pool),
      protocol: 'udp',
      quic: true,
      pool,
      ring: this.#rings[family],
    });
  }

  /** Fills the flow table with established flows; returns a function that removes them. */
  fillFlows(): () => void {
    const octets = this.balancer.map('flows').mmap();
    const words = new Uint32Array(octets.buffer, octets.byteOffset, octets.byteLength / 4);
    const now = Number(process.hrtime.bigint() / 1_000_000_000n);
    for (let at = 0; at < words.length; at += FLOW_WORDS) {
      // Of senders so many that none has more than its share of a flow's places.
      const sender = 0x8000_0000 | (((at / FLOW_WORDS) & 3) << 23);
      words.set([at + 1, sender >>> 0, ((now << 2) | 1) >>> 0, 1], at);
    }
    return () => words.fill(0);
  }

  /** How many packets for no VIP had this outcome so far. */
  othersPackets(reason: Reason): number {
    return readReasons(this.balancer.map('vip_stats'), 0)[reason]?.packets ?? 0;
  }

  /** How many packets of a VIP had this outcome so far. */
  packets(pool: number, family: Family, reason: Reason): number {
    const map = this.balancer.map('vip_stats');
    return readReasons(map, vipRow(pool, family))[reason]?.packets ?? 0;
  }
}
