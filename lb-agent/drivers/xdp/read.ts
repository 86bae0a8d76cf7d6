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
} from '../../reconcile/tables.js';
import { capacityOf } from './capacity.js';
import { fromKernel } from './next-hop.js';

/**
 * Reads what the kernel's tables hold. A ring has the number of its first entry.
 *
 * @param unnamed first entries of rings that no VIP needs to name: the kernel's arrays do not
 *   tell a ring that was added from free entries
 */
export function readTables(
  balancer: Balancer,
  desired: DesiredState,
  unnamed: Iterable<number> = [],
): Tables {
  const vips = new Map<string, VipEntry>();
  for (const { vip: row, ring, ...entry } of balancer.vips()) {
    vips.set(vipKey(entry), { ...entry, row, ring: ring === 0 ? null : ring });
  }
  const named = [...vips.values()].flatMap(({ ring }) => (ring === null ? [] : [ring]));
  const configs = readConfigs(balancer, desired);
  const pools = new Map<number, PoolEntry>();
  for (const pool of [...[...vips.values()].map((vip) => vip.pool), ...configs.keys()]) {
    pools.set(pool, { configs: configs.get(pool) ?? new Map() });
  }
  return {
    ...readReals(balancer),
    vips,
    pools,
    rings: new Map([...named, ...unnamed].map((first) => [first, balancer.ring(first)])),
  };
}

function readReals(balancer: Balancer): Pick<Tables, 'reals' | 'vacated'> {
  const reals = new Map<number, RealEntry>();
  for (const real of balancer.reals()) {
    const { index, address, encapsulation, incarnation, down } = real;
    const nextHop = fromKernel(real.nextHop);
    reals.set(index, { address, encapsulation, incarnation, down, nextHop });
  }
  const vacated = new Map<number, number>();
  const end = capacityOf(balancer).reals;
  for (let index = 1; index < end; index++) {
    const incarnation = balancer.incarnation(index);
    if (incarnation !== 0 && !reals.has(index)) vacated.set(index, incarnation);
  }
  return { reals, vacated };
}

/** By pool, then by config ID. */
function readConfigs(
  balancer: Balancer,
  desired: DesiredState,
): Map<number, Map<number, ConfigEntry>> {
  const decodePlans = new Map(
    desired.pools
      .flatMap((pool) => pool.configs.filter(({ unread }) => !unread?.includes('cids')))
      .map(({ codec }) => codec.decodePlan)
      .map((decodePlan) => [`${decodePlan.configBits} ${decodePlanMark(decodePlan)}`, decodePlan]),
  );
  const configs = new Map<number, Map<number, ConfigEntry>>();
  for (const { pool, configBits } of balancer.configs()) {
    const [id] = configBits;
    if (id === undefined) continue;
    const known = decodePlans.get(`${configBits} ${balancer.configMark(pool, id)}`);
    const entry = {
      decodePlan: known ?? unknownDecodePlan(configBits),
      ids: idsByReal(balancer.serverIds(pool, id)),
    };
    const others = configs.get(pool);
    if (others === undefined) configs.set(pool, new Map([[id, entry]]));
    else others.set(id, entry);
  }
  return configs;
}

/** Equals none of a document: none decodes an ID of no octets. */
function unknownDecodePlan(configBits: readonly number[]): DecodePlan {
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

export function idsByReal(ids: Iterable<readonly [Uint8Array, number]>): Map<number, IdList> {
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
