// SPDX-License-Identifier: Apache-2.0
import type { DecodePlan } from '../../cid/index.js';
import type { Encapsulation, Server, Vip } from '../../registry/index.js';
import type { IdList } from './id-list.js';

/**
 * What the kernel's tables say, as far as the agent decides it: once as they are, once as
 * they should be. Names are gone here; only the assignment (assign.ts) knows them.
 */
export interface Tables {
  /** By index, 1 or more. */
  readonly reals: ReadonlyMap<number, RealEntry>;
  /** By {@link vipKey}. */
  readonly vips: ReadonlyMap<string, VipEntry>;
  /** By index, 0 or more. */
  readonly pools: ReadonlyMap<number, PoolEntry>;
}

export interface RealEntry {
  readonly address: string;
  readonly encapsulation: Encapsulation;
  /** Tells the uses of an index apart, so that flows of an earlier one are not followed. */
  readonly incarnation: number;
  /** Takes no packet, neither by CID nor by flow. */
  readonly down: boolean;
}

export interface VipEntry extends Vip {
  /** Row of the counters, 1 or more. */
  readonly row: number;
  readonly pool: number;
}

export interface PoolEntry {
  /** By config ID; of a config that answers to two, the lower. */
  readonly configs: ReadonlyMap<number, ConfigEntry>;
  /** Real indices of a Maglev ring; empty where no server takes new flows. */
  readonly ring: Uint32Array;
}

export interface ConfigEntry {
  readonly plan: DecodePlan;
  /** By index of the real that owns them. */
  readonly ids: ReadonlyMap<number, IdList>;
}

/** A server that is down for want of a way to it, and not by the document, says why. */
export type MaybeUnreachable = Server & { readonly unreachable?: string };

export const NO_TABLES: Tables = { reals: new Map(), vips: new Map(), pools: new Map() };

export function vipKey(vip: Pick<Vip, 'address' | 'port' | 'protocol'>): string {
  return `${vip.protocol} ${vip.address} ${vip.port}`;
}

export function samePlan(a: DecodePlan, b: DecodePlan): boolean {
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
