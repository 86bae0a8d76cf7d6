// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { CidecarError } from '../../core/index.js';
import type { DesiredState, Server } from '../../registry/index.js';
import type { Goal } from './goal.js';
import { IndexLedger } from './index-ledger.js';
import type { NextHop } from './next-hop.js';
import { plan } from './plan.js';
import { Reconciler } from './reconciler.js';
import type { AgentRecord } from './record.js';
import { vipKey } from './tables.js';
import { goalArbitrary, goalOf, RINGS } from './testing/goals.js';
import { MemoryDriver } from './testing/memory-driver.js';

const COOLDOWN_MS = 1000;
const HOP: NextHop = {
  kind: 'neighbour',
  mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  ifindex: 3,
  sourceMac: Uint8Array.of(2, 0, 0, 0, 0, 2),
};

let driver: MemoryDriver;
let stored: AgentRecord | undefined;
let refuseToStore: boolean;
let check: (desired: DesiredState) => void;
let clock: number;
let lines: { msg: string; table?: string; operations?: number }[];
beforeEach(() => {
  driver = new MemoryDriver();
  stored = undefined;
  refuseToStore = false;
  check = () => {};
  clock = 0;
  lines = [];
});

/** A new agent, which finds what is stored and what the driver holds. */
function agent(): Reconciler {
  const ledger = new IndexLedger({
    store: {
      read: () => stored,
      write: async (record) => {
        if (refuseToStore) throw new CidecarError('STATE_UNWRITABLE', 'no');
        stored = record;
      },
    },
    cooldownMs: COOLDOWN_MS,
    attached: () => ({ interface: 'eth0', mode: 'native' }),
    now: () => clock,
  });
  const log = pino({}, { write: (line: string) => lines.push(JSON.parse(line)) });
  return new Reconciler({ driver, ledger, rings: RINGS, check, log });
}

function document(servers: number, ports: readonly number[] = [443]): DesiredState {
  const pool = {
    name: 'web',
    vips: ports.map((port) => {
      return { address: '192.0.2.1', port, protocol: 'udp', quic: true } as const;
    }),
    configs: [],
    servers: Array.from({ length: servers }, (_, i): Server => {
      const rest = { weight: 1, state: 'active', encapsulation: 'ipip' } as const;
      return { name: `s${i}`, address: `10.0.0.${i + 1}`, serverIds: new Map(), ...rest };
    }),
  };
  return { revision: String(servers), pools: [pool] };
}

const goal = (...of: Parameters<typeof document>) => goalOf(document(...of));
const row = (port: number) =>
  driver.tables.vips.get(vipKey({ address: '192.0.2.1', port, protocol: 'udp' }))?.row;
const addresses = () => [...driver.tables.reals.values()].map(({ address }) => address);
const failOn = (kind: string, times = 1) => {
  let left = times;
  driver.before = (operation) => {
    if (operation.kind === kind && left-- > 0) throw new Error(`no ${kind}`);
  };
};

describe('a reconciler', () => {
  it('installs tables where there are none, and changes them in place from then on', async () => {
    const one = agent();
    await one.reconcile(goal(2));
    expect([driver.installations, driver.applied]).toEqual([1, []]);
    expect(addresses()).toEqual(['10.0.0.1', '10.0.0.2']);
    await one.reconcile(goal(3));
    expect(driver.installations).toBe(1);
    expect(addresses()).toHaveLength(3);
    expect(driver.reads).toBe(1);
  });

  it('mends what others change, and gives a pass up when the tables are changed meanwhile', async () => {
    const one = agent();
    expect([...one.audit()]).toEqual([]);
    await one.reconcile(goal(2));
    const [index = 0] = driver.tables.reals.keys();
    driver.drifts.push({
      table: 'reals',
      count: 1,
      what: 'down',
      operations: [{ kind: 'set-down', index, down: true }],
    });
    const pass = one.audit();
    expect(pass.next().value).toMatchObject({ table: 'reals' });
    expect(driver.applied).toEqual(['set-down']);
    expect([pass.next().value, pass.next()]).toEqual([null, { done: true, value: true }]);

    const overtaken = one.audit();
    overtaken.next();
    await one.reconcile(goal(3));
    expect(overtaken.next()).toEqual({ done: true, value: false });
  });

  it('reads everything anew where drift cannot be mended', async () => {
    const one = agent();
    await one.reconcile(goal(2));
    const reads = driver.reads;
    failOn('set-down');
    driver.drifts.push({
      table: 'reals',
      count: 1,
      what: 'down',
      operations: [{ kind: 'set-down', index: 1, down: true }],
    });
    expect(() => [...one.audit()]).toThrow('no set-down');
    expect(one.audit().next()).toEqual({ done: true, value: false });
    await one.reconcile(goal(2));
    expect(driver.reads).toBe(reads + 1);
  });

  it('takes over what another one left, with its names or without, and changes nothing', async () => {
    await agent().reconcile(goal(3));
    const { reals } = driver.tables;
    for (const names of [stored, undefined]) {
      stored = names;
      await agent().reconcile(goal(3));
    }
    expect([driver.installations, driver.applied]).toEqual([1, ['sweep', 'sweep']]);
    expect(driver.tables.reals).toEqual(reals);
    expect(lines).toEqual([]);
  });

  it('installs anew where the tables cannot stay, with every index and counter as it was', async () => {
    await agent().reconcile(goal(3, [443, 444]));
    await agent().reconcile(goal(3, [444]));
    await agent().reconcile(goal(2, [444, 445]));
    const { reals, vips, vacated } = driver.tables;
    driver.outdated = true;
    await agent().reconcile(goal(2, [444, 445]));
    expect(driver.installations).toBe(2);
    const tables = { ...driver.tables, vips: [...driver.tables.vips.keys()] };
    expect(tables).toMatchObject({ reals, vacated, vips: [...vips.keys()] });
    expect([444, 445].map(row)).toEqual([2, 1]);
    driver.counters.tick(driver.tables);
    expect(driver.counters.packets('row 2')).toBeGreaterThan(driver.counters.packets('row 1'));
  });

  it('installs larger tables when names find no index any more', async () => {
    const one = agent();
    await one.reconcile(goal(2));
    const before = driver.tables.reals;
    await one.reconcile(goal(9, [443, 444, 445, 446]));
    expect(driver.installations).toBe(2);
    expect(lines.map(({ msg }) => msg)).toEqual(['tables are full; loading larger ones']);
    for (const [index, real] of before) expect(driver.tables.reals.get(index)).toEqual(real);
    expect(row(443)).toBe(1);
    expect(addresses()).toHaveLength(9);
  });

  it('says once that tables are full, however often larger ones cannot be loaded', async () => {
    const one = agent();
    await one.reconcile(goal(2));
    driver.before = ({ kind }) => {
      if (kind === 'switch') throw new Error('the pins were removed');
    };
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(one.reconcile(goal(9, [443, 444, 445, 446]))).rejects.toThrow('removed');
    }
    expect(lines.map(({ msg }) => msg)).toEqual(['tables are full; loading larger ones']);
    driver.before = () => {};
    await one.reconcile(goal(9, [443, 444, 445, 446]));
    await one.reconcile(goal(60, [443, 444, 445, 446]));
    expect(lines.filter(({ msg }) => msg.includes('full'))).toHaveLength(2);
  });

  it('installs larger tables when one is found full halfway, from what was reached', async () => {
    const one = agent();
    await one.reconcile(goal(2));
    const { limits } = driver;
    if (limits === undefined) throw new Error('there are no tables');
    driver.limits = { ...limits, ringEntries: 7 };
    await one.reconcile(goal(3));
    expect(driver.applied).toContain('set-real');
    expect([driver.installations, driver.reads]).toEqual([2, 2]);
    expect(addresses()).toHaveLength(3);
  });

  it('finds the tables by reading them again after an operation that failed', async () => {
    const one = agent();
    await one.reconcile(goal(2));
    failOn('set-real', 2);
    await expect(one.reconcile(goal(4))).rejects.toThrow('no set-real');
    await expect(one.reconcile(goal(4))).rejects.toThrow('no set-real');
    await one.reconcile(goal(4));
    expect([driver.installations, driver.reads]).toEqual([1, 3]);
    expect(addresses()).toHaveLength(4);
  });

  it('goes on from the present tables when new ones could not take over', async () => {
    const one = agent();
    await one.reconcile(goal(2));
    const before = driver.tables;
    driver.outdated = true;
    failOn('switch');
    await expect(one.reconcile(goal(3))).rejects.toThrow('no switch');
    expect(driver.tables.reals).toEqual(before.reals);
    await one.reconcile(goal(3));
    expect(driver.installations).toBe(2);
    expect(addresses()).toHaveLength(3);
  });

  it('finds new tables by reading them where they took over and the rest failed', async () => {
    const one = agent();
    await one.reconcile(goal(2));
    driver.outdated = true;
    driver.switched = () => {
      throw new Error('old pins stay');
    };
    await expect(one.reconcile(goal(4))).rejects.toThrow('old pins stay');
    expect(addresses()).toHaveLength(4);
    driver.switched = () => {};
    // What is known of the former tables is known of none that are in force.
    await one.reconcile(goal(1));
    expect([driver.installations, driver.reads]).toEqual([2, 2]);
    expect(addresses()).toEqual(['10.0.0.1']);
  });

  it('reads the present tables again after each installation that failed', async () => {
    const one = agent();
    await one.reconcile(goal(2));
    driver.outdated = true;
    failOn('set-real', 2);
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(one.reconcile(goal(3))).rejects.toThrow('no set-real');
    }
    await one.reconcile(goal(3));
    expect([driver.installations, driver.reads]).toEqual([2, 3]);
  });

  it('sets next hops also while nothing else can be changed', async () => {
    const one = agent();
    await one.reconcile(goal(2));
    refuseToStore = true;
    const wanted: Goal = goalOf(document(3), { nextHop: () => HOP });
    await expect(one.reconcile(wanted)).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
    expect([...driver.tables.reals.values()].map(({ nextHop }) => nextHop)).toEqual([HOP, HOP]);
    // Where none is known, the last one stays.
    refuseToStore = false;
    await one.reconcile(goalOf(document(2), { nextHop: () => null }));
    expect([...driver.tables.reals.values()].map(({ nextHop }) => nextHop)).toEqual([HOP, HOP]);
  });

  it('changes nothing else for a document that this host cannot do', async () => {
    check = ({ pools }) => {
      if ((pools[0]?.servers.length ?? 0) > 2) throw new Error('too much');
    };
    await expect(agent().reconcile(goal(3))).rejects.toThrow('too much');
    expect(driver.installations).toBe(0);
    await agent().reconcile(goal(2));
    const wanted: Goal = goalOf(document(3), { nextHop: () => HOP });
    await expect(agent().reconcile(wanted)).rejects.toThrow('too much');
    expect(driver.applied).toEqual(['set-next-hop', 'set-next-hop']);
  });

  it('takes a server that cannot be reached as down, and says so in the record', async () => {
    const verdicts = new Map([
      ['s1', { server: 's1', reachable: false, reason: 'no route' } as const],
    ]);
    await agent().reconcile(goalOf(document(2), { verdicts }));
    const down = [...driver.tables.reals.values()].map((real) => real.down);
    expect(down).toEqual([false, true]);
    expect(stored?.servers).toMatchObject([
      { name: 's0', state: 'active' },
      { name: 's1', state: 'down', unreachable: 'no route' },
    ]);
    expect(stored?.servers[0]).not.toHaveProperty('unreachable');
  });

  it('changes nothing before the record of the change is stored', async () => {
    refuseToStore = true;
    await expect(agent().reconcile(goal(2))).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
    expect(driver.installations).toBe(0);
    refuseToStore = false;
    driver.before = ({ kind }) => {
      if (kind === 'set-real') expect(stored?.incarnations).toHaveLength(addressesIn(stored));
    };
    const one = agent();
    await one.reconcile(goal(2));
    await one.reconcile(goal(4));
  });

  it('says how many operations changed the tables, where any did', async () => {
    const one = agent();
    await one.reconcile(goal(2));
    await one.reconcile(goal(2));
    expect(lines).toEqual([]);
    // The ring leaves the second server out, then its real is cleared.
    await one.reconcile(goal(1));
    expect(lines).toMatchObject([{ msg: 'kernel tables changed', operations: 2 }]);
  });
});

function addressesIn(record: AgentRecord | undefined): number {
  return record?.servers.length ?? 0;
}

/** An agent that dies at any operation, and the next one, as often as it takes. */
describe('agents that are killed', { timeout: 300_000 }, () => {
  class Killed extends Error {}

  it.each([
    ['with their record', true],
    ['without', false],
  ])('are healed by the next one, and no index is used again too soon: %s', async (_, kept) => {
    const goals = fc.array(goalArbitrary(fc.integer({ min: 0, max: 3 })), {
      minLength: 2,
      maxLength: 4,
    });
    const kills = fc.array(fc.nat(12), { minLength: 4, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(goals, kills, async (each, after) => {
        driver = new MemoryDriver();
        stored = undefined;
        clock = 0;
        /** When each index was last in use, and with which incarnation. */
        const used = new Map<number, { at: number; incarnation: number }>();
        for (const [i, wanted] of each.entries()) {
          let left = after[i] ?? 0;
          driver.before = (operation) => {
            if (left-- === 0) throw new Killed();
            for (const [index, { incarnation }] of driver.tables.reals) {
              used.set(index, { at: clock, incarnation });
            }
            if (operation.kind !== 'set-real') return;
            const { index, real } = operation;
            const last = used.get(index);
            if (last === undefined || last.incarnation === real.incarnation) return;
            if (last.at > clock - COOLDOWN_MS) throw new Error(`index ${index} has not rested`);
          };
          await agent()
            .reconcile(wanted)
            .catch((error: unknown) => {
              if (!(error instanceof Killed)) throw error;
            });
          left = -1;
          clock += 300;
          if (!kept) stored = undefined;
          await agent().reconcile(wanted);
          clock += 300;
          expect(driver.counters.problem()).toBeUndefined();
          const before = driver.applied.length;
          await agent().reconcile(wanted);
          const changes = driver.applied.slice(before).filter((kind) => kind !== 'sweep');
          // Servers of one address may change places, which moves IDs between equal reals.
          const servers = wanted.desired.pools.flatMap((pool) => pool.servers);
          if (new Set(servers.map(({ address }) => address)).size === servers.length) {
            expect(changes).toEqual([]);
          }
          expect(plan(driver.tables, driver.tables)).toEqual([{ kind: 'sweep' }]);
        }
      }),
      { numRuns: 150 },
    );
  });
});
