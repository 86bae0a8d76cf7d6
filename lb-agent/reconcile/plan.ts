// SPDX-License-Identifier: Apache-2.0
import { idChanges } from './id-changes.js';
import { sameNextHop } from './next-hop.js';
import type { InstallOperation, Operation } from './operation.js';
import { NO_TABLES, sameDecodePlan, sameRing, sameVip, type Tables } from './tables.js';

/**
 * What turns `actual` into `target`, in an order in which every prefix routes right: a CID
 * reaches the server that owns its ID before or after the change, or falls back to the ring;
 * never another server. A VIP that stays is there all the time, because its packets would
 * otherwise pass to the host. So the agent may be killed between any two operations.
 *
 *   1. VIPs that are gone are removed.
 *   2. New reals are programmed with their next hops, while nothing names them. Before each,
 *      the counter at its index begins at zero: the owner before was cleared by an earlier
 *      change.
 *   3. Next hops of reals that stay are set.
 *   4. Servers come up, by the right next hop, before a ring takes them in.
 *   5. The pools follow one by one, and last those that VIPs leave for another pool: such a
 *      VIP goes by the old pool until its new pool is complete. Of each pool
 *      a. configs that are gone stop decoding, because b may use their first octets again;
 *      b. configs and IDs are set; they name only reals of step 2 and earlier ones;
 *      c. its ring leaves out reals that go, and takes in new ones: in place where the number
 *         of entries stays, else as a new ring, filled while no VIP names it;
 *      d. VIPs appear, change, enter from other pools and turn to the new ring. Before a new
 *         one, the counters of its row begin at zero: no VIP of `actual` counts there;
 *      e. rings that no VIP names any more are freed; those that VIPs of step 1 left, before
 *         the first pool.
 *   6. Servers go down: no ring names them any more, and their CIDs fall back to it.
 *   7. Pools that are gone lose their configs.
 *   8. Reals that nothing names any more are cleared. Their indices go into cooldown, which
 *      was made durable before the first of these operations (index-ledger.ts).
 *   9. Incarnations are noted that these tables never saw: only new tables miss any.
 *  10. What earlier changes freed is wiped.
 *
 * @param target as assign.ts makes it: no pool is both entered and left, a new VIP has a row,
 *   and a new ring a number, that is not in use in `actual`
 */
export function plan(actual: Tables, target: Tables): Operation[] {
  return [
    ...goneVips(actual, target),
    ...newReals(actual, target),
    ...nextHopChanges(actual, target),
    ...downChanges(actual, target, false),
    ...poolChanges(actual, target),
    ...downChanges(actual, target, true),
    ...gonePools(actual, target),
    ...goneReals(actual, target),
    ...unknownIncarnations(actual, target),
    { kind: 'sweep' },
  ];
}

/**
 * What fills complete new tables. They take the place of `actual` when all is done, and no
 * packet sees them before.
 *
 * The counters are carried over near the end, so that they miss as few packets as possible.
 * They are carried by row and index, so a new VIP or real gets what another owner of its place
 * counted. The resets after that are for those: they set the counters of the new tables to zero,
 * while the present tables go on counting in theirs.
 */
export function planInstallation(actual: Tables, target: Tables): InstallOperation[] {
  return [
    ...plan(NO_TABLES, target).filter((operation) => !isReset(operation)),
    { kind: 'carry-counters' },
    ...[...target.vips].flatMap(([key, { row }]) => [...vipCounterReset(key, row, actual)]),
    ...[...target.reals].flatMap(([index, { incarnation }]) => [
      ...realCounterReset(index, incarnation, actual),
    ]),
  ];
}

/** Step 3 of {@link plan} alone, for a target that differs in nothing else. */
export function* nextHopChanges(actual: Tables, target: Tables): Generator<Operation> {
  for (const [index, { nextHop }] of target.reals) {
    const present = actual.reals.get(index);
    if (present !== undefined && !sameNextHop(present.nextHop, nextHop)) {
      yield { kind: 'set-next-hop', index, nextHop };
    }
  }
}

function* goneVips(actual: Tables, target: Tables): Generator<Operation> {
  for (const [key, vip] of actual.vips) {
    if (!target.vips.has(key)) yield { kind: 'remove-vip', vip };
  }
}

function* newReals(actual: Tables, target: Tables): Generator<Operation> {
  for (const [index, real] of target.reals) {
    const present = actual.reals.get(index);
    if (present === undefined) {
      yield* realCounterReset(index, real.incarnation, actual);
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

function* poolChanges(actual: Tables, target: Tables): Generator<Operation> {
  /** The ring of each VIP that stays, as these operations change it. */
  const named = new Map(
    [...actual.vips].filter(([key]) => target.vips.has(key)).map(([key, { ring }]) => [key, ring]),
  );
  const gone = new Set([...actual.rings.keys()].filter((ring) => !target.rings.has(ring)));
  const freeRings = function* (): Generator<Operation> {
    if (gone.size === 0) return;
    const inUse = new Set(named.values());
    for (const ring of gone) {
      if (inUse.has(ring)) continue;
      gone.delete(ring);
      yield { kind: 'free-ring', ring };
    }
  };
  yield* freeRings();
  const rings = new Map([...target.vips.values()].map(({ pool, ring }) => [pool, ring]));
  for (const pool of poolsInOrder(actual, target)) {
    yield* goneConfigs(pool, actual, target);
    yield* configChanges(pool, actual, target);
    yield* ringChange(rings.get(pool) ?? null, actual, target);
    for (const [key, vip] of target.vips) {
      const present = actual.vips.get(key);
      if (vip.pool !== pool || (present !== undefined && sameVip(present, vip))) continue;
      yield* vipCounterReset(key, vip.row, actual);
      yield { kind: 'set-vip', vip };
      named.set(key, vip.ring);
    }
    yield* freeRings();
  }
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

function* goneConfigs(pool: number, actual: Tables, target: Tables): Generator<Operation> {
  for (const [config, entry] of actual.pools.get(pool)?.configs ?? []) {
    const wanted = target.pools.get(pool)?.configs.get(config);
    // A config of the same first octets is replaced in one step instead.
    const replaced = wanted?.decodePlan.configBits.join() === entry.decodePlan.configBits.join();
    if (!replaced) yield { kind: 'clear-config', pool, config };
  }
}

function* configChanges(pool: number, actual: Tables, target: Tables): Generator<Operation> {
  for (const [config, entry] of target.pools.get(pool)?.configs ?? []) {
    const present = actual.pools.get(pool)?.configs.get(config);
    if (present === undefined || !sameDecodePlan(present.decodePlan, entry.decodePlan)) {
      yield { kind: 'set-config', pool, config, entry };
      continue;
    }
    const changes = idChanges(present, entry);
    if (changes.length > 0) yield { kind: 'set-ids', pool, config, changes, entry };
  }
}

function* ringChange(ring: number | null, actual: Tables, target: Tables): Generator<Operation> {
  const reals = ring === null ? undefined : target.rings.get(ring);
  if (ring === null || reals === undefined) return;
  const present = actual.rings.get(ring);
  if (present === undefined) yield { kind: 'add-ring', ring, reals };
  else if (!sameRing(present, reals)) yield { kind: 'change-ring', ring, reals };
}

function* gonePools(actual: Tables, target: Tables): Generator<Operation> {
  for (const pool of actual.pools.keys()) {
    if (!target.pools.has(pool)) yield* goneConfigs(pool, actual, target);
  }
}

function* goneReals(actual: Tables, target: Tables): Generator<Operation> {
  for (const index of actual.reals.keys()) {
    if (!target.reals.has(index)) yield { kind: 'clear-real', index };
  }
}

function* unknownIncarnations(actual: Tables, target: Tables): Generator<Operation> {
  for (const [index, incarnation] of target.vacated) {
    if (actual.vacated.has(index) || actual.reals.has(index)) continue;
    yield { kind: 'note-incarnation', index, incarnation };
  }
}

function* vipCounterReset(key: string, row: number, actual: Tables): Generator<Operation> {
  if (actual.vips.get(key)?.row !== row) yield { kind: 'reset-vip-counters', row };
}

function* realCounterReset(index: number, of: number, actual: Tables): Generator<Operation> {
  if (actual.reals.get(index)?.incarnation !== of) yield { kind: 'reset-real-counter', index };
}

function isReset({ kind }: Operation): boolean {
  return kind === 'reset-vip-counters' || kind === 'reset-real-counter';
}
