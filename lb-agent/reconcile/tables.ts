// SPDX-License-Identifier: Apache-2.0
import type { DecodePlan } from '../../cid/index.js';
import type { Encapsulation, Vip } from '../../registry/index.js';
import type { IdList } from './id-list.js';
import type { NextHop } from './next-hop.js';

/**
 * What the tables of a balancer say, as far as the agent decides it: once as they are, once as
 * they should be. Names are gone here; only the assignment (assign.ts) knows them.
 */
export interface Tables {
  /** By index, 1 or more. */
  readonly reals: ReadonlyMap<number, RealEntry>;
  /** Indices that were reals and are none now, with the incarnation that each had last. */
  readonly vacated: ReadonlyMap<number, number>;
  /** By {@link vipKey}. */
  readonly vips: ReadonlyMap<string, VipEntry>;
  /** By index, 0 or more: every pool that has a VIP or a config. */
  readonly pools: ReadonlyMap<number, PoolEntry>;
  /**
   * Maglev rings: the index of a real for each entry. The numbers by which VIPs name them mean
   * something between two readings of the tables only.
   */
  readonly rings: ReadonlyMap<number, Uint32Array>;
}

export interface RealEntry {
  readonly address: string;
  readonly encapsulation: Encapsulation;
  /** 1..65535. Tells the uses of an index apart, so that flows of an earlier one are not followed. */
  readonly incarnation: number;
  /** Takes no packet, neither by CID nor by flow. */
  readonly down: boolean;
  readonly nextHop: NextHop;
}

export interface VipEntry extends Vip {
  /** Row of the counters, 1 or more. */
  readonly row: number;
  readonly pool: number;
  /** Null where no server takes new flows. */
  readonly ring: number | null;
}

export interface PoolEntry {
  /** By config ID; of a config that answers to two, the lower. */
  readonly configs: ReadonlyMap<number, ConfigEntry>;
}

export interface ConfigEntry {
  readonly decodePlan: DecodePlan;
  /** By index of the real that owns them. */
  readonly ids: ReadonlyMap<number, IdList>;
}

export const NO_TABLES: Tables = {
  reals: new Map(),
  vacated: new Map(),
  vips: new Map(),
  pools: new Map(),
  rings: new Map(),
};

export function vipKey(vip: Pick<Vip, 'address' | 'port' | 'protocol'>): string {
  return `${vip.protocol} ${vip.address} ${vip.port}`;
}

export function sameVip(a: VipEntry, b: VipEntry): boolean {
  return a.row === b.row && a.pool === b.pool && a.quic === b.quic && a.ring === b.ring;
}

export function sameDecodePlan(a: DecodePlan, b: DecodePlan): boolean {
  const sameKey = a.key === null || b.key === null ? a.key === b.key : a.key.equals(b.key);
  return (
    sameKey &&
    a.kind === b.kind &&
    a.configBits.join() === b.configBits.join() &&
    a.minimumLength === b.minimumLength &&
    a.serverIdBitOffset === b.serverIdBitOffset &&
    a.serverIdBits === b.serverIdBits &&
    a.blockLength === b.blockLength &&
    a.zeroReserved === b.zeroReserved
  );
}

export function sameRing(a: Uint32Array, b: Uint32Array): boolean {
  return a === b || (a.length === b.length && a.every((real, entry) => real === b[entry]));
}
