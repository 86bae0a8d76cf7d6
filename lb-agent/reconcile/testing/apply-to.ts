// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../../core/index.js';
import { IdList } from '../id-list.js';
import type { Operation } from '../operation.js';
import { type PoolEntry, type Tables, vipKey } from '../tables.js';

/**
 * What a balancer's tables hold after an operation. Throws at an operation that no balancer
 * could carry out, or none safely.
 */
export function applyTo(tables: Tables, operation: Operation): Tables {
  const reals = new Map(tables.reals);
  const vacated = new Map(tables.vacated);
  const vips = new Map(tables.vips);
  const pools = new Map(tables.pools);
  const rings = new Map(tables.rings);
  const configsOf = (pool: number) => new Map(pools.get(pool)?.configs);
  switch (operation.kind) {
    case 'remove-vip':
      vips.delete(vipKey(operation.vip));
      break;
    case 'set-vip': {
      const { ring } = operation.vip;
      if (ring !== null && !rings.has(ring)) throw new Error(`a VIP leads to no ring ${ring}`);
      vips.set(vipKey(operation.vip), operation.vip);
      break;
    }
    case 'set-real': {
      const { index, real } = operation;
      if (reals.has(index)) throw new Error(`real ${index} is programmed already`);
      if (vacated.get(index) === real.incarnation) throw new Error(`incarnation of ${index}`);
      reals.set(index, real);
      vacated.delete(index);
      break;
    }
    case 'set-next-hop':
      reals.set(operation.index, {
        ...required(reals.get(operation.index), 'real'),
        nextHop: operation.nextHop,
      });
      break;
    case 'set-down':
      reals.set(operation.index, {
        ...required(reals.get(operation.index), 'real'),
        down: operation.down,
      });
      break;
    case 'clear-real':
      vacated.set(operation.index, required(reals.get(operation.index), 'real').incarnation);
      reals.delete(operation.index);
      break;
    case 'note-incarnation':
      if (reals.has(operation.index)) throw new Error(`real ${operation.index} is programmed`);
      vacated.set(operation.index, operation.incarnation);
      break;
    case 'set-config': {
      const configs = configsOf(operation.pool).set(operation.config, operation.entry);
      const bits = [...configs.values()].flatMap(({ decodePlan }) => decodePlan.configBits);
      if (new Set(bits).size !== bits.length) throw new Error('two configs of one first octet');
      pools.set(operation.pool, { configs });
      break;
    }
    case 'clear-config': {
      const configs = configsOf(operation.pool);
      configs.delete(operation.config);
      pools.set(operation.pool, { configs });
      break;
    }
    case 'set-ids': {
      const configs = configsOf(operation.pool);
      const entry = required(configs.get(operation.config), 'config');
      const owners = ownersOf(entry.ids);
      for (const { serverId, real } of operation.changes) {
        if (real === 0) owners.delete(toHex(serverId));
        else owners.set(toHex(serverId), real);
      }
      configs.set(operation.config, { ...entry, ids: listsOf(owners) });
      pools.set(operation.pool, { configs });
      break;
    }
    case 'add-ring':
      if (rings.has(operation.ring)) throw new Error(`ring ${operation.ring} is there already`);
      rings.set(operation.ring, operation.reals);
      break;
    case 'change-ring': {
      const present = required(rings.get(operation.ring), 'ring');
      if (present.length !== operation.reals.length) throw new Error('a ring of another size');
      rings.set(operation.ring, operation.reals);
      break;
    }
    case 'free-ring':
      required(rings.get(operation.ring), 'ring');
      if ([...vips.values()].some(({ ring }) => ring === operation.ring)) {
        throw new Error(`a VIP leads to ring ${operation.ring}, which is freed`);
      }
      rings.delete(operation.ring);
      break;
  }
  return { reals, vacated, vips, pools: poolsInUse(pools, vips), rings };
}

/** As a balancer would read them back: a pool is known by its VIPs and configs alone. */
function poolsInUse(
  pools: ReadonlyMap<number, PoolEntry>,
  vips: Tables['vips'],
): Map<number, PoolEntry> {
  const inUse = new Map([...pools].filter(([, { configs }]) => configs.size > 0));
  for (const { pool } of vips.values()) {
    if (!inUse.has(pool)) inUse.set(pool, { configs: new Map() });
  }
  return inUse;
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`there is no such ${what}`);
  return value;
}

/** ID in hex -> real. */
export function ownersOf(ids: ReadonlyMap<number, IdList>): Map<string, number> {
  return new Map([...ids].flatMap(([real, list]) => [...list].map((id) => [toHex(id), real])));
}

export function listsOf(owners: ReadonlyMap<string, number>): Map<number, IdList> {
  const lists = new Map<number, Uint8Array[]>();
  for (const [hex, real] of owners) {
    const list = lists.get(real);
    if (list === undefined) lists.set(real, [Buffer.from(hex, 'hex')]);
    else list.push(Buffer.from(hex, 'hex'));
  }
  return new Map([...lists].map(([real, list]) => [real, IdList.of(list)]));
}
