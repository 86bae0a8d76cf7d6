// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { MODELS } from './models.js';
import { check, guardsIn, read } from './spin.js';

describe.each(MODELS)('the model of $name', (model) => {
  it('names its guards, each of them', async () => {
    expect(await guardsIn(model.name)).toEqual(Object.keys(model.guards).sort());
  });

  it('keeps every invariant', async () => {
    const { violated, story, states } = await check(model);
    expect({ violated, story }).toEqual({ violated: 'none', story: [] });
    expect(states).toBeGreaterThan(50_000);
  });

  // A model in which nothing can happen would keep its invariants too.
  const goals = model.goals.map((means, index) => ({ means, goal: index + 1 }));
  it.each(goals)('reaches: $means', async ({ goal }) => {
    const { violated } = await check(model, { goal });
    expect(violated).toBe('goal');
  });

  const guards = Object.entries(model.guards).map(([name, guard]) => ({ name, ...guard }));
  it.each(guards)('without $name violates $violates', async ({ name, violates }) => {
    const { violated, story } = await check(model, { without: name });
    expect(violated).toBe(violates);
    if (violates !== 'none') expect(story.length).toBeGreaterThan(1);
  });
});

describe('what a search reports', () => {
  const report = (errors: number, more: string) =>
    `State-vector 44 byte, depth reached 213, errors: ${errors}\n   940949 states, stored\n${more}`;

  it('is read', () => {
    expect(read(report(0, ''))).toEqual({ violated: 'none', states: 940_949, depth: 213 });
    const violated = 'pan:1: assertion violated (broken!=3) (at depth 9)\n';
    expect(read(`${violated}${report(1, '')}`).violated).toBe(3);
  });

  it('is refused if the search was cut off', () => {
    const cutOff = () => read(report(0, 'Warning: Search not completed\n'));
    expect(cutOff).toThrow('did not come to its end');
    const shallow = () => read(`error: max search depth too small\n${report(0, '')}`);
    expect(shallow).toThrow('did not come to its end');
  });

  it('is refused if it is no report, or of an unknown assertion', () => {
    expect(() => read('')).toThrow("spin's report lacks");
    const strange = 'pan:1: assertion violated (broken!=8) (at depth 9)\n';
    expect(() => read(`${strange}${report(1, '')}`)).toThrow('no invariant has the number 8');
  });
});
