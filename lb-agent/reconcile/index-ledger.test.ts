// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from 'vitest';
import { NO_ASSIGNMENT } from './assign.js';
import { needFor } from './capacity.js';
import { IndexLedger } from './index-ledger.js';
import { REPLY } from './next-hop.js';
import type { AgentRecord } from './record.js';
import { NO_TABLES, type Tables } from './tables.js';
import { NO_GOAL } from './testing/goals.js';

const COOLDOWN_MS = 1000;

let stored: AgentRecord | undefined;
let mode: 'native' | 'generic';
let clock: number;
beforeEach(() => {
  stored = undefined;
  mode = 'native';
  clock = 0;
});

function ledger(): IndexLedger {
  return new IndexLedger({
    store: {
      read: () => stored,
      write: async (record) => {
        stored = record;
      },
    },
    cooldownMs: COOLDOWN_MS,
    attached: () => ({ interface: 'eth0', mode }),
    now: () => clock,
  });
}

/** Tables with one real, or none. */
function tables(index?: number, incarnation = 1): Tables {
  if (index === undefined) return NO_TABLES;
  const real = { address: '10.0.0.1', encapsulation: 'ipip', down: false, nextHop: REPLY } as const;
  return { ...NO_TABLES, reals: new Map([[index, { ...real, incarnation }]]) };
}

function change(actual: Tables, target: Tables) {
  return { actual, assigned: { assignment: NO_ASSIGNMENT, target }, goal: NO_GOAL };
}

describe('what is known of an index', () => {
  it('outlives the agent: a change that leaves one is recorded before it begins', async () => {
    await ledger().begin(change(tables(7, 3), tables()));
    const { cooldown } = ledger();
    expect([cooldown.holds(7), cooldown.nextIncarnation(7)]).toEqual([true, 4]);
    clock = COOLDOWN_MS;
    expect(cooldown.holds(7)).toBe(false);
  });

  it('is recorded of all in cooldown, also of those that earlier changes left', async () => {
    const one = ledger();
    const first = change(tables(7), tables());
    await one.begin(first);
    one.end(first);
    clock = 100;
    await one.begin(change(tables(8), tables(9)));
    expect(stored?.cooldowns).toEqual([
      { index: 7, until: COOLDOWN_MS },
      { index: 8, until: 100 + COOLDOWN_MS },
    ]);
    expect(stored?.incarnations).toEqual([
      [7, 1],
      [8, 1],
      [9, 1],
    ]);
    const { cooldown } = ledger();
    expect([7, 8, 9].map((index) => cooldown.holds(index))).toEqual([true, true, false]);
  });

  it('takes in what a change that failed halfway has left', async () => {
    const one = ledger();
    // Index 7 was programmed, then the change failed: the next one finds it, and removes it.
    const next = change(tables(7), tables());
    await one.begin(next);
    one.end(next);
    expect(one.cooldown.nextIncarnation(7)).toBe(2);
    expect(one.cooldown.holds(7)).toBe(true);
    // Larger tables have a place for it, though nobody is there.
    const { reals } = needFor(
      NO_GOAL.desired,
      tables(2),
      one.cooldown.incarnations().keys(),
    ).indices;
    expect(reals).toBe(7 + 1);
  });

  it('is recorded again when the program is attached in another way, and only then', async () => {
    const one = ledger();
    mode = 'generic';
    await one.noteAttached();
    expect(one.record).toBeUndefined();
    mode = 'native';
    await one.begin(change(tables(), tables(1)));
    mode = 'generic';
    await one.noteAttached();
    expect(ledger().record).toMatchObject({ mode: 'generic', incarnations: [[1, 1]] });
  });

  it('comes from the tables where nothing was recorded: then all that was used rests', () => {
    const read = { ...tables(1, 5), vacated: new Map([[2, 9]]) };
    const forgetful = ledger();
    forgetful.learn(read);
    expect([1, 2].map((index) => forgetful.cooldown.holds(index))).toEqual([false, true]);
    expect([1, 2].map((index) => forgetful.cooldown.nextIncarnation(index))).toEqual([6, 10]);

    stored = {
      ...{ interface: 'eth0', mode: 'native', revision: '' },
      ...{ pools: [], servers: [], configs: [], cooldowns: [], incarnations: [] },
    };
    const mindful = ledger();
    mindful.learn(read);
    expect(mindful.cooldown.holds(2)).toBe(false);
    expect(mindful.cooldown.nextIncarnation(2)).toBe(10);
  });
});
