// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ForceableStep } from './record.js';
import { World } from './testing/world.js';
import { AGE } from './testing/world-beginning.js';

// Random histories of a rotation, on the decisions and transactions that daemons run: what was
// decided is committed later, on views that lag. The names are those of docs/etcd-safety.md.

type Does = (world: World) => void;

const two = fc.constantFrom(0, 1);
/** Config IDs that a pool gets to, mostly. */
const config = fc.constantFrom(0, 1, 0, 1, 2);

function command(weight: number, name: string, does: fc.Arbitrary<Does>) {
  const arbitrary = does.map((run) => ({
    check: () => true,
    run: (_: object, world: World) => run(world),
    toString: () => name,
  }));
  return { weight, arbitrary };
}

const agent = (does: (world: World, index: number) => void) =>
  two.map((index) => (world: World) => does(world, index));
const sidecar = (does: (sidecar: World['sidecars'][number], config: number) => void) =>
  fc.tuple(two, config).map(([index, id]) => (world: World) => {
    const found = world.sidecars[index];
    if (found !== undefined) does(found, id);
  });

const everyday = [
  command(
    14,
    'settle',
    fc.constant((world: World) => world.settle()),
  ),
  command(
    5,
    'controller',
    two.map((i) => (world) => {
      world.look(i);
      world.decide(i);
      world.commit(i);
    }),
  ),
  command(
    2,
    'look',
    agent((world, i) => world.look(i)),
  ),
  command(
    2,
    'decide',
    agent((world, i) => world.decide(i)),
  ),
  command(
    2,
    'commit',
    agent((world, i) => world.commit(i)),
  ),
  command(
    1,
    'kill',
    agent((world, i) => world.kill(i)),
  ),
  command(
    1,
    'take over',
    agent((world, i) => world.takeOver(i)),
  ),
  command(
    4,
    'agent',
    agent((world, i) => {
      world.apply(i);
      world.acknowledge(i);
      world.quiet(i);
    }),
  ),
  command(
    1,
    'apply',
    agent((world, i) => world.apply(i)),
  ),
  command(
    1,
    'acknowledge',
    agent((world, i) => world.acknowledge(i)),
  ),
  command(
    1,
    'silence',
    agent((world, i) => world.silence(i)),
  ),
  command(
    1,
    'away',
    agent((world, i) => world.away(i)),
  ),
  command(
    1,
    'join',
    agent((world, i) => world.join(i)),
  ),
  command(
    4,
    'pass',
    sidecar((each, id) => {
      each.look(id);
      each.gate(id);
    }),
  ),
  command(
    2,
    'look',
    sidecar((each, id) => each.look(id)),
  ),
  command(
    2,
    'gate',
    sidecar((each, id) => each.gate(id)),
  ),
  command(
    4,
    'issue',
    sidecar((each, id) => each.issue(id)),
  ),
  command(
    4,
    'leave',
    sidecar((each, id) => {
      each.stop(id);
      each.reissue(id);
      each.unmark(id);
      each.deleted();
    }),
  ),
  command(
    2,
    'stop',
    sidecar((each, id) => each.stop(id)),
  ),
  command(
    1,
    'reissue',
    sidecar((each, id) => each.reissue(id)),
  ),
  command(
    1,
    'unmark',
    sidecar((each, id) => each.unmark(id)),
  ),
  command(
    1,
    'deleted',
    sidecar((each) => each.deleted()),
  ),
  command(
    1,
    'restart',
    sidecar((each) => each.restart()),
  ),
  command(
    3,
    'rotate',
    fc.constant((world: World) => world.rotate()),
  ),
  command(
    1,
    'abort',
    fc.constant((world: World) => world.want({ kind: 'abort', why: '' })),
  ),
  command(
    4,
    'tick',
    fc.integer({ min: 1, max: AGE }).map((s) => (world: World) => world.tick(s)),
  ),
];
const person = [
  command(
    1,
    'pause',
    fc.constant((world: World) => world.want({ kind: 'pause', why: '' })),
  ),
  command(
    2,
    'resume',
    fc.constant((world: World) => world.want({ kind: 'resume' })),
  ),
  command(
    1,
    'force',
    fc
      .constantFrom<ForceableStep>('mint', 'quarantine', 'remove')
      .map((step) => (world: World) => world.want({ kind: 'force', step, why: 'test' })),
  ),
];

function histories(commands: readonly (typeof everyday)[number][]) {
  const one = fc.oneof(...commands);
  return fc.array(one, { minLength: 40, maxLength: 160, size: 'max' });
}

/** Throws what a history breaks. */
function live(world: World, history: readonly { run(model: object, world: World): void }[]): void {
  for (const each of world.sidecars) {
    each.look(0);
    each.gate(0);
    each.issue(0);
  }
  for (const each of history) each.run({}, world);
}

describe('random histories', () => {
  it('break no invariant, and reach everything', () => {
    const reached = new Set<string>();
    fc.assert(
      fc.property(histories([...everyday, ...person]), (history) => {
        const world = new World();
        live(world, history);
        for (const name of world.reached) reached.add(name);
      }),
      { numRuns: 60 },
    );
    expect([...reached].sort()).toEqual(
      expect.arrayContaining([
        'aborted',
        'mint',
        'mint again',
        'quarantine',
        'remove',
        'rotated',
        'stage',
      ]),
    );
  }, 300_000);
});
