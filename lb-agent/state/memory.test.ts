// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_ASSIGNMENT } from '../reconcile/assign.js';
import { NO_TABLES, type Tables } from '../reconcile/model.js';
import { Memory } from './memory.js';

const REST_MS = 1000;
const ABOUT = { interface: 'eth0', mode: 'native' } as const;
const DESIRED = { revision: '', pools: [] };

let folder: string;
let clock: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-memory-'));
  clock = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

function memory(): Memory {
  return new Memory({ stateFile: join(folder, 'state.json'), restMs: REST_MS, now: () => clock });
}

/** Tables with one real, or none. */
function tables(index?: number, incarnation = 1): Tables {
  if (index === undefined) return NO_TABLES;
  const real = { address: '10.0.0.1', encapsulation: 'ipip', incarnation, down: false } as const;
  return { ...NO_TABLES, reals: new Map([[index, real]]) };
}

function change(actual: Tables, target: Tables) {
  return { actual, assigned: { assignment: NO_ASSIGNMENT, target }, desired: DESIRED };
}

describe('what the agent remembers of an index', () => {
  it('outlives it: a change that leaves one is known before it begins', () => {
    memory().before(change(tables(7, 3), tables()), ABOUT);
    const { cooldown } = memory();
    expect([cooldown.holds(7), cooldown.nextIncarnation(7)]).toEqual([true, 4]);
    clock = REST_MS;
    expect(cooldown.holds(7)).toBe(false);
  });

  it('takes in what a change that failed halfway has left', () => {
    const one = memory();
    // Index 7 was programmed, then the change failed: the next one finds it, and removes it.
    const next = change(tables(7), tables());
    one.before(next, ABOUT);
    one.after(next.actual, next.assigned);
    expect(one.cooldown.nextIncarnation(7)).toBe(2);
    expect(one.cooldown.holds(7)).toBe(true);
    // Larger tables have a place for it, though nobody is there.
    expect(one.occupied(tables(2)).reals).toBe(7);
  });

  it('is written again when the program is attached in another way, and only then', () => {
    const one = memory();
    one.attached('generic');
    expect(one.state).toBeUndefined();
    one.before(change(tables(), tables(1)), ABOUT);
    one.attached('generic');
    expect(memory().state).toMatchObject({ mode: 'generic', incarnations: [[1, 1]] });
  });
});
