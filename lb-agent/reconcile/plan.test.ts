// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCodec } from '../../cid/index.js';
import { type Assignment, assign, NO_ASSIGNMENT } from './assign.js';
import type { Goal } from './goal.js';
import { IndexCooldown } from './index-cooldown.js';
import { REPLY } from './next-hop.js';
import { plan, planInstallation } from './plan.js';
import { NO_TABLES, type Tables, vipKey } from './tables.js';
import { applyTo, listsOf, ownersOf } from './testing/apply-to.js';
import { CounterModel } from './testing/counter-model.js';
import { goalArbitrary, NO_GOAL, RINGS } from './testing/goals.js';
import { meant, must, PrefixWatch, routes } from './testing/prefix-watch.js';

const capacity = { reals: 64, vips: 64, pools: 16 };
const buildRing = RINGS.build;
const DECODE_PLAN = createCodec({
  scheme: 'quic-lb',
  configId: 0,
  serverIdLength: 1,
  nonceLength: 4,
  serverUseLength: 0,
  lengthSelfEncoded: true,
  key: null,
}).decodePlan;

/** Rings hang on VIPs alone here: their numbers may differ, and IDs stand in any order. */
function comparable(tables: Tables) {
  const pools = [...tables.pools].map(([index, { configs }]) => [
    index,
    new Map(
      [...configs].map(([id, { decodePlan: how, ids }]) => [id, { how, ids: ownersOf(ids) }]),
    ),
  ]);
  return { ...tables, pools: new Map(pools as [number, unknown][]) };
}

const POOLS: [string, fc.Arbitrary<number>][] = [
  ['pools that come and go', fc.integer({ min: 0, max: 3 })],
  ['VIPs that change places', fc.constantFrom(0, 1)],
];

/** Goals one after another, and what was planned for each. */
function* changes(goals: readonly Goal[], namesKept: boolean) {
  let clock = 0;
  const cooldown = new IndexCooldown(1000, () => clock);
  let actual = NO_TABLES;
  let assignment: Assignment = NO_ASSIGNMENT;
  let before = NO_GOAL;
  for (const after of goals) {
    clock += 500;
    const previous = namesKept ? assignment : NO_ASSIGNMENT;
    const input = { goal: after, actual, cooldown, capacity, buildRing, previous };
    const assigned = assign(input);
    assignment = assigned.assignment;
    yield { before, after, actual, target: assigned.target, clock };
    for (const operation of plan(actual, assigned.target)) {
      actual = applyTo(actual, operation);
      if (operation.kind === 'clear-real') cooldown.start(operation.index);
      if (operation.kind === 'set-real') {
        cooldown.used(operation.index, operation.real.incarnation);
      }
    }
    before = after;
  }
}

/** Milliseconds for some hundred histories on a busy machine. */
const PATIENCE = 300_000;

describe.each(POOLS)('plan: %s', { timeout: PATIENCE }, (_, pools) => {
  const goalsArbitrary = fc.array(goalArbitrary(pools), { minLength: 1, maxLength: 4 });

  it('routes every CID right, or by the ring, after every prefix of the operations', () => {
    fc.assert(
      fc.property(goalsArbitrary, fc.boolean(), (goals, namesKept) => {
        const counters = new CounterModel();
        const used = new Map<number, number>();
        /** Who has had an index during the last rest. */
        const history: { at: number; index: number }[] = [];
        for (const change of changes(goals, namesKept)) {
          const { actual, target, clock } = change;
          const watch = new PrefixWatch(change, actual, target);
          let tables = actual;
          for (const operation of plan(actual, target)) {
            const last = tables;
            tables = applyTo(tables, operation);
            counters.apply(operation);
            counters.tick(tables);
            if (operation.kind === 'set-real') {
              const { index, real } = operation;
              const earlier = history.filter((use) => {
                return use.index === index && use.at > clock - 1000;
              });
              must(earlier.length === 0, `index ${index} has not rested`);
              must(real.incarnation !== used.get(index), `incarnation of ${index} used again`);
              used.set(index, real.incarnation);
            }
            if (operation.kind === 'clear-real') {
              history.push({ at: clock, index: operation.index });
            }
            watch.check(last, tables);
            must(counters.problem() === undefined, counters.problem() ?? '');
            // The next use of an index must be able to tell itself from the last.
            for (const [index, incarnation] of used) {
              const held = tables.reals.get(index)?.incarnation ?? tables.vacated.get(index);
              must(held === incarnation, `incarnation of ${index} is forgotten`);
            }
          }
          expect(routes(tables)).toEqual(meant(change.after.desired));
          expect(comparable(tables)).toEqual(comparable(target));
          expect(plan(tables, target)).toEqual([{ kind: 'sweep' }]);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('fills new tables to the same, and lets their counters go on from those of the present ones', () => {
    fc.assert(
      fc.property(goalsArbitrary, (goals) => {
        const present = new CounterModel();
        for (const { actual, target } of changes(goals, true)) {
          present.tick(actual);
          // Counters that are copied, and counters that both tables share.
          for (const shared of [false, true]) {
            const counters = shared ? present : new CounterModel();
            let tables = NO_TABLES;
            for (const operation of planInstallation(actual, target)) {
              if (operation.kind !== 'carry-counters') tables = applyTo(tables, operation);
              else if (!shared) counters.carry(present);
              counters.apply(operation);
              // The present tables carry all the traffic until the end.
              if (shared) counters.tick(actual);
              must(present.problem() === undefined, present.problem() ?? '');
            }
            expect(comparable(tables)).toEqual(comparable(target));
            for (const [key, { row }] of target.vips) {
              const stays = actual.vips.get(key)?.row === row;
              must(counters.packets(`row ${row}`) > 0 === stays, `counters of ${key}`);
            }
            for (const [index, { incarnation }] of target.reals) {
              const stays = actual.reals.get(index)?.incarnation === incarnation;
              must(stays || counters.packets(`real ${index}`) === 0, `counter of real ${index}`);
            }
          }
          for (const operation of plan(actual, target)) present.apply(operation);
          present.tick(target);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('plan', () => {
  it('changes nothing after a restart that lost the names', () => {
    fc.assert(
      fc.property(goalArbitrary(fc.nat(3)), (goal) => {
        const cooldown = new IndexCooldown(1000, () => 0);
        const input = { goal, previous: NO_ASSIGNMENT, cooldown, capacity, buildRing };
        const { target } = assign({ ...input, actual: NO_TABLES });
        const again = assign({ ...input, actual: target });
        // Servers of one address may change places, which moves IDs between equal reals.
        const kinds = plan(target, again.target).map(({ kind }) => kind);
        const addresses = goal.desired.pools.flatMap((pool) => pool.servers.map((s) => s.address));
        if (new Set(addresses).size === addresses.length) expect(kinds).toEqual(['sweep']);
        else expect(kinds).not.toContain('clear-real');
      }),
    );
  });

  it('moves an ID in one step', () => {
    const entry = (ids: [number, string][]) => ({
      decodePlan: DECODE_PLAN,
      ids: listsOf(new Map(ids.map(([real, hex]) => [hex, real]))),
    });
    const real = {
      address: '10.0.0.1',
      encapsulation: 'ipip',
      incarnation: 1,
      down: false,
      nextHop: REPLY,
    } as const;
    const tables = (ids: [number, string][]): Tables => ({
      ...NO_TABLES,
      reals: new Map([
        [1, real],
        [2, real],
      ]),
      pools: new Map([[0, { configs: new Map([[0, entry(ids)]]) }]]),
    });
    const [first, ...rest] = plan(
      tables([
        [1, 'aa'],
        [1, 'bb'],
      ]),
      tables([
        [2, 'aa'],
        [1, 'bb'],
      ]),
    );
    expect(rest).toEqual([{ kind: 'sweep' }]);
    expect(first).toMatchObject({ kind: 'set-ids', changes: [{ real: 2 }] });
  });

  it('takes a pool away in the order: VIP, ring, configs, reals, index noted', () => {
    const vip = { address: '192.0.2.1', port: 1, protocol: 'udp', quic: true } as const;
    const reals = Uint32Array.of(1, 1);
    const actual: Tables = {
      ...NO_TABLES,
      vips: new Map([[vipKey(vip), { ...vip, row: 1, pool: 0, ring: 7 }]]),
      rings: new Map([[7, reals]]),
      reals: new Map([
        [
          1,
          {
            address: '10.0.0.1',
            encapsulation: 'ipip',
            incarnation: 1,
            down: false,
            nextHop: REPLY,
          },
        ],
      ]),
      pools: new Map([
        [
          0,
          {
            configs: new Map([
              [0, { decodePlan: DECODE_PLAN, ids: listsOf(new Map([['aa', 1]])) }],
            ]),
          },
        ],
      ]),
    };
    expect(plan(actual, NO_TABLES)).toMatchObject([
      { kind: 'remove-vip' },
      { kind: 'free-ring', ring: 7 },
      { kind: 'clear-config', pool: 0, config: 0 },
      { kind: 'clear-real', index: 1 },
      { kind: 'sweep' },
    ]);
  });

  it('turns VIPs to one ring where an agent died while they named two', () => {
    const vip = (port: number, ring: number) => {
      const entry = { address: '192.0.2.1', port, protocol: 'udp', quic: true } as const;
      return [vipKey(entry), { ...entry, row: port, pool: 0, ring }] as const;
    };
    const tables = (vips: Tables['vips'], rings: Tables['rings']): Tables => {
      return { ...NO_TABLES, vips, rings, pools: new Map([[0, { configs: new Map() }]]) };
    };
    const [two, six] = [new Uint32Array(2), new Uint32Array(6)];
    const actual = tables(
      new Map([vip(1, 7), vip(2, 8)]),
      new Map([
        [7, two],
        [8, six],
      ]),
    );
    const target = tables(new Map([vip(1, 8), vip(2, 8)]), new Map([[8, six]]));
    expect(plan(actual, target).map(({ kind }) => kind)).toEqual(['set-vip', 'free-ring', 'sweep']);
  });
});
