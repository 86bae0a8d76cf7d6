// SPDX-License-Identifier: Apache-2.0
import type { Balancer, RealSpec, Settings, VipKey } from '../../bpf/tables/index.js';
import type { CidCodec } from '../../cid/index.js';

/**
 * The configuration of a balancer. Both the kernel and the reference model are programmed
 * from it.
 */
export interface Setup {
  readonly settings: Settings;
  readonly flowBuckets: number;
  readonly reals: ReadonlyMap<number, RealSpec>;
  /** The entries of each ring: indexes of reals, or 0 for no server. */
  readonly rings: readonly Uint32Array[];
  readonly vips: readonly SetupVip[];
  readonly configs: readonly SetupConfig[];
}

export interface SetupVip extends VipKey {
  /** The row of the counters that belongs to this VIP. */
  readonly row: number;
  readonly quic: boolean;
  readonly pool: number;
  /** Index in `rings`; undefined means that the ring gives no server. */
  readonly ring: number | undefined;
}

export interface SetupConfig {
  readonly pool: number;
  readonly codec: CidCodec;
  readonly ids: readonly (readonly [serverId: Uint8Array, real: number])[];
}

/** Places in a programmed balancer that later changes refer to. */
export interface ProgrammedSetup {
  /** The position at which each ring begins. */
  readonly rings: readonly number[];
}

/** Programs an empty balancer. */
export function programBalancer(balancer: Balancer, setup: Setup): ProgrammedSetup {
  balancer.setSettings(setup.settings);
  for (const [index, real] of setup.reals) balancer.setReal(index, real);
  const rings = setup.rings.map((entries) => {
    const first = balancer.allocateRing(entries.length);
    balancer.setRing(first, entries);
    return first;
  });
  for (const { pool, codec, ids } of setup.configs) balancer.setConfig(pool, codec.decodePlan, ids);
  for (const { row, ring, ...vip } of setup.vips) {
    balancer.setVip({ ...vip, vip: row, ring: ring === undefined ? 0 : (rings[ring] ?? 0) });
  }
  return { rings };
}
