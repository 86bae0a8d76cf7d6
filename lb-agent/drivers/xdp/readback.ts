// SPDX-License-Identifier: Apache-2.0
import { type Balancer, decodePlanMark } from '../../../bpf/tables/index.js';
import type { DecodePlan } from '../../../cid/index.js';
import { toHex } from '../../../core/index.js';
import type { DesiredState } from '../../../registry/index.js';
import { IdList } from '../../reconcile/id-list.js';
import {
  type ConfigEntry,
  type PoolEntry,
  type RealEntry,
  type Tables,
  type VipEntry,
  vipKey,
} from '../../reconcile/model.js';

/** A ring of one entry that leads nowhere: unlike every ring that is wanted, so it is replaced. */
const UNKNOWN_RING = Uint32Array.of(0);

/**
 * Reads what the kernel's tables hold. Keys cannot be read back, so a config shows the plan
 * of the desired state where the kernel decodes like it, and else one that equals none.
 */
export function readTables(balancer: Balancer, desired: DesiredState): Tables {
  const reals = new Map<number, RealEntry>();
  for (const { index, address, encapsulation, incarnation, down } of balancer.reals()) {
    reals.set(index, { address, encapsulation, incarnation, down });
  }

  const vips = new Map<string, VipEntry>();
  const rings = new Map<number, number>();
  for (const { vip: row, address, port, protocol, quic, pool, ring } of balancer.vips()) {
    vips.set(vipKey({ address, port, protocol }), { address, port, protocol, quic, row, pool });
    // VIPs of one pool that name different rings: an agent died between them.
    const other = rings.get(pool);
    rings.set(pool, other === undefined || other === ring ? ring : -1);
  }

  const plans = new Map(
    desired.pools
      .flatMap((pool) => pool.configs.map(({ codec }) => codec.plan))
      .map((plan) => [`${plan.configBits} ${decodePlanMark(plan)}`, plan]),
  );
  const pools = new Map<number, PoolEntry>();
  const configsOf = new Map<number, Map<number, ConfigEntry>>();
  for (const { pool, configBits } of balancer.configs()) {
    const [id] = configBits;
    if (id === undefined) continue;
    const plan = plans.get(`${configBits} ${balancer.configMark(pool, id)}`) ?? noPlan(configBits);
    const entry = { plan, ids: idsOf(balancer.serverIds(pool, id)) };
    const configs = configsOf.get(pool);
    if (configs === undefined) configsOf.set(pool, new Map([[id, entry]]));
    else configs.set(id, entry);
  }
  for (const pool of new Set([...rings.keys(), ...configsOf.keys()])) {
    const first = rings.get(pool) ?? 0;
    const ring =
      first === -1 ? UNKNOWN_RING : first === 0 ? new Uint32Array() : balancer.ring(first);
    pools.set(pool, { configs: configsOf.get(pool) ?? new Map(), ring });
  }
  return { reals, vips, pools };
}

function noPlan(configBits: readonly number[]): DecodePlan {
  return {
    kind: 'extract',
    configBits,
    minimumLength: 0,
    serverIdBitOffset: 0,
    serverIdBits: 0,
    blockLength: 0,
    zeroReserved: false,
    key: null,
  };
}

function idsOf(ids: Iterable<readonly [Uint8Array, number]>): Map<number, IdList> {
  const lists = new Map<number, string[]>();
  let length = 0;
  for (const [id, real] of ids) {
    length = id.length;
    const list = lists.get(real);
    if (list === undefined) lists.set(real, [toHex(id)]);
    else list.push(toHex(id));
  }
  // By value, the order in which documents are usually written: then they compare fast.
  return new Map(
    [...lists].map(([real, list]) => [
      real,
      new IdList(length, Buffer.from(list.sort().join(''), 'hex')),
    ]),
  );
}
