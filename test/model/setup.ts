// SPDX-License-Identifier: Apache-2.0
import type { Balancer, RealSpec, Settings, VipKey } from '../../bpf/tables/index.js';
import type { CidCodec } from '../../cid/index.js';

/**
 * One description of what is configured, from which both the kernel and the reference model
 * are programmed.
 */
export interface Setup {
  readonly settings: Settings;
  readonly flowBuckets: number;
  readonly reals: ReadonlyMap<number, RealSpec>;
  /** Entries of each ring: reals, or 0. */
  readonly rings: readonly Uint32Array[];
  readonly vips: readonly SetupVip[];
  readonly configs: readonly SetupConfig[];
}

export interface SetupVip extends VipKey {
  /** Row of the counters. */
  readonly row: number;
  readonly quic: boolean;
  readonly pool: number;
  /** Index in `rings`, or undefined: no server. */
  readonly ring: number | undefined;
}

export interface SetupConfig {
  readonly pool: number;
  readonly codec: CidCodec;
  readonly ids: readonly (readonly [serverId: Uint8Array, real: number])[];
}

/** What a balancer was given that later changes have to name. */
export interface ProgrammedSetup {
  /** Where each ring begins. */
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
