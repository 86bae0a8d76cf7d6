// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import { difference, IdList } from './id-list.js';
import { type ConfigEntry, type RealEntry, samePlan, type Tables, type VipEntry } from './model.js';

const NO_RING = new Uint32Array();

/** `real` 0 takes the ID away. */
export interface IdChange {
  readonly serverId: Uint8Array;
  readonly real: number;
}

export type Operation =
  | { readonly kind: 'remove-vip'; readonly vip: VipEntry }
  | { readonly kind: 'set-real'; readonly index: number; readonly real: RealEntry }
  | { readonly kind: 'set-down'; readonly index: number; readonly down: boolean }
  | { readonly kind: 'clear-config'; readonly pool: number; readonly config: number }
  | {
      readonly kind: 'set-config';
      readonly pool: number;
      readonly config: number;
      readonly entry: ConfigEntry;
    }
  | {
      readonly kind: 'set-ids';
      readonly pool: number;
      readonly config: number;
      readonly changes: readonly IdChange[];
      /** The whole, for a table that cannot take the changes one by one. */
      readonly entry: ConfigEntry;
    }
  | { readonly kind: 'set-ring'; readonly pool: number; readonly ring: Uint32Array }
  | { readonly kind: 'set-vip'; readonly vip: VipEntry }
  | { readonly kind: 'clear-ring'; readonly pool: number }
  | { readonly kind: 'clear-real'; readonly index: number };

/**
 * What turns `actual` into `target`, in an order in which every prefix routes right: a CID
 * reaches the server that owns its ID before or after the change, or falls back to the
 * ring; never anybody else. A VIP that stays is there all the time, or its packets would
 * pass to the host. So the agent may be killed between any two operations.
 *
 *   1. VIPs that go leave.
 *   2. New reals are programmed: nothing names them yet.
 *   3. Servers come back, before a ring takes them in.
 *   4. Pool by pool, those last that VIPs leave for another pool: such a VIP goes by the old
 *      tables until its new pool is complete. Of a pool
 *      a. configs that are gone stop decoding; their first octets may be reused in b;
 *      b. configs and IDs are set: they name only reals of 2 and before;
 *      c. the ring leaves out reals that go, and takes in new ones;
 *      d. VIPs appear, change, and enter from other pools.
 *   5. Servers go down: no ring names them any more, and their CIDs fall back to it.
 *   6. Pools that are gone are cleared.
 *   7. Reals that nothing names any more are cleared. Their indices rest in cooldown.
 *
 * @param target of assign.ts, where no pool is both entered and left
 */
export function plan(actual: Tables, target: Tables): Operation[] {
  return [
    ...goneVips(actual, target),
    ...newReals(actual, target),
    ...downChanges(actual, target, false),
    ...poolsInOrder(actual, target).flatMap((pool) => [
      ...goneConfigs(pool, actual, target),
      ...configChanges(pool, actual, target),
      ...ringChanges(pool, actual, target),
      ...vipChanges(pool, actual, target),
    ]),
    ...downChanges(actual, target, true),
    ...gonePools(actual, target),
    ...goneReals(actual, target),
  ];
}

function poolsInOrder(actual: Tables, target: Tables): number[] {
  const left = new Set<number>();
  for (const [key, { pool }] of target.vips) {
    const before = actual.vips.get(key)?.pool;
    if (before !== undefined && before !== pool) left.add(before);
  }
  const pools = [...target.pools.keys()];
  return [...pools.filter((pool) => !left.has(pool)), ...pools.filter((pool) => left.has(pool))];
}

function* goneVips(actual: Tables, target: Tables): Generator<Operation> {
  for (const [key, vip] of actual.vips) {
    if (!target.vips.has(key)) yield { kind: 'remove-vip', vip };
  }
}

function* vipChanges(pool: number, actual: Tables, target: Tables): Generator<Operation> {
  for (const [key, vip] of target.vips) {
    if (vip.pool === pool && !sameVip(vip, actual.vips.get(key))) yield { kind: 'set-vip', vip };
  }
}

function sameVip(a: VipEntry, b: VipEntry | undefined): boolean {
  return b !== undefined && a.row === b.row && a.pool === b.pool && a.quic === b.quic;
}

function* newReals(actual: Tables, target: Tables): Generator<Operation> {
  for (const [index, real] of target.reals) {
    const present = actual.reals.get(index);
    if (present === undefined) {
      yield { kind: 'set-real', index, real };
    } else if (
      present.address !== real.address ||
      present.encapsulation !== real.encapsulation ||
      present.incarnation !== real.incarnation
    ) {
      throw new Error(`real ${index} would change its address in place`);
    }
  }
}

function* downChanges(actual: Tables, target: Tables, to: boolean): Generator<Operation> {
  for (const [index, { down }] of target.reals) {
    if (down !== to) continue;
    const present = actual.reals.get(index);
    if (present !== undefined && present.down !== down) yield { kind: 'set-down', index, down };
  }
}

function* goneReals(actual: Tables, target: Tables): Generator<Operation> {
  for (const index of actual.reals.keys()) {
    if (!target.reals.has(index)) yield { kind: 'clear-real', index };
  }
}

function* goneConfigs(pool: number, actual: Tables, target: Tables): Generator<Operation> {
  for (const [config, entry] of actual.pools.get(pool)?.configs ?? []) {
    const wanted = target.pools.get(pool)?.configs.get(config);
    // A config of the same first octets is replaced in one step instead.
    const replaced = wanted?.plan.configBits.join() === entry.plan.configBits.join();
    if (!replaced) yield { kind: 'clear-config', pool, config };
  }
}

function* configChanges(pool: number, actual: Tables, target: Tables): Generator<Operation> {
  for (const [config, entry] of target.pools.get(pool)?.configs ?? []) {
    const present = actual.pools.get(pool)?.configs.get(config);
    if (present === undefined || !samePlan(present.plan, entry.plan)) {
      yield { kind: 'set-config', pool, config, entry };
      continue;
    }
    const changes = idChanges(present, entry);
    if (changes.length > 0) yield { kind: 'set-ids', pool, config, changes, entry };
  }
}

/** One change for each ID whose owner differs; an ID that moves is set once, not cleared first. */
export function idChanges(actual: ConfigEntry, target: ConfigEntry): IdChange[] {
  const changes = new Map<string, IdChange>();
  const none = new IdList(0, new Uint8Array());
  const come: IdChange[] = [];
  for (const real of new Set([...actual.ids.keys(), ...target.ids.keys()])) {
    const had = actual.ids.get(real) ?? none;
    const wants = target.ids.get(real) ?? none;
    if (had.equals(wants)) continue;
    const changed = difference(had, wants);
    for (const serverId of changed.gone) changes.set(toHex(serverId), { serverId, real: 0 });
    for (const serverId of changed.come) come.push({ serverId, real });
  }
  for (const change of come) changes.set(toHex(change.serverId), change);
  return [...changes.values()];
}

function* ringChanges(pool: number, actual: Tables, target: Tables): Generator<Operation> {
  const ring = target.pools.get(pool)?.ring ?? NO_RING;
  const present = actual.pools.get(pool)?.ring ?? NO_RING;
  if (!sameRing(present, ring)) yield { kind: 'set-ring', pool, ring };
}

function* gonePools(actual: Tables, target: Tables): Generator<Operation> {
  for (const [pool, { ring }] of actual.pools) {
    if (target.pools.has(pool)) continue;
    yield* goneConfigs(pool, actual, target);
    if (ring.length > 0) yield { kind: 'clear-ring', pool };
  }
}

export function sameRing(a: Uint32Array, b: Uint32Array): boolean {
  return a === b || (a.length === b.length && a.every((real, index) => real === b[index]));
}

/** Everything about one operation that a log may say: no key, no list of a million IDs. */
export function describeOperation(operation: Operation): Record<string, unknown> {
  const { kind } = operation;
  switch (kind) {
    case 'remove-vip':
    case 'set-vip':
      return { kind, vip: operation.vip };
    case 'set-real':
      return { kind, index: operation.index, ...operation.real };
    case 'set-down':
      return { kind, index: operation.index, down: operation.down };
    case 'clear-real':
      return { kind, index: operation.index };
    case 'set-config':
    case 'clear-config':
      return { kind, pool: operation.pool, config: operation.config };
    case 'set-ids': {
      const { pool, config, changes } = operation;
      return { kind, pool, config, ids: changes.length };
    }
    case 'set-ring':
      return { kind, pool: operation.pool, entries: operation.ring.length };
    case 'clear-ring':
      return { kind, pool: operation.pool };
  }
}
