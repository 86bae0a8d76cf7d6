// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { allForgot } from '../acknowledgements.js';
import type { Mutant } from './testing/mutant.js';
import { Violation, World } from './testing/world.js';
import { AGE } from './testing/world-beginning.js';
import type { WorldSidecar } from './testing/world-sidecar.js';

// Each guard of docs/etcd-safety.md that a rotation rests on, with the story that it prevents.

interface Story {
  readonly mutant: Mutant;
  readonly breaks: string;
  readonly tell: (world: World, one: WorldSidecar, other: WorldSidecar) => void;
}

const open = () => ({ waits: [], when: [] });

/** Config 1 is staged, all servers have IDs, and balancers may not know of it. */
function stage(world: World): void {
  world.rotate();
  world.step();
  world.step();
}

function mint(world: World, ...sidecars: readonly WorldSidecar[]): void {
  stage(world);
  world.hold(0, 1);
  world.step();
  world.hold(0, 1);
  for (const sidecar of sidecars) sidecar.begin(1);
}

function quarantine(world: World, ...sidecars: readonly WorldSidecar[]): void {
  mint(world, ...sidecars);
  for (const sidecar of sidecars) sidecar.leave(0);
  world.step();
}

/** Another rotation, which config ID 0 is free for if it was freed. */
function again(world: World, one: WorldSidecar): void {
  world.rotate();
  world.step();
  world.step();
  world.hold(0);
  one.begin(0);
}

const STORIES: Readonly<Record<string, Story>> = {
  GATE: {
    mutant: { sidecar: 'GATE' },
    breaks: 'DECODABLE',
    tell: (world, one) => {
      stage(world);
      one.begin(1);
    },
  },
  CONFIG_SEEN: {
    mutant: { sidecar: 'CONFIG_SEEN' },
    breaks: 'DECODABLE',
    tell: (world, one) => {
      stage(world);
      world.hold(0, 1);
      one.look(1);
      world.want({ kind: 'abort', why: '' });
      world.step();
      world.hold(0, 1);
      one.gate(1);
      one.issue(1);
    },
  },
  USES: {
    mutant: { guards: { uses: open } },
    breaks: 'KEPT',
    tell: (world, one, other) => {
      mint(world, one, other);
      world.step();
    },
  },
  OLDER_GONE: {
    mutant: { sidecar: 'OLDER_GONE' },
    breaks: 'KEPT',
    tell: (world, one, other) => {
      mint(world, one, other);
      for (const sidecar of [one, other]) {
        sidecar.stop(0);
        sidecar.unmark(0);
        sidecar.deleted();
      }
      world.step();
    },
  },
  STOP_SAVED: {
    mutant: { sidecar: 'STOP_SAVED' },
    breaks: 'DECODABLE',
    tell: (world, one, other) => {
      quarantine(world, one, other);
      world.hold(0, 1);
      one.restart();
      one.issue(0);
    },
  },
  MARK_SEEN: {
    mutant: { sidecar: 'MARK_SEEN' },
    breaks: 'KEPT',
    tell: (world, one, other) => {
      mint(world, one, other);
      other.leave(0);
      one.stop(0);
      one.reissue(0);
      one.unmark(0);
      world.want({ kind: 'abort', why: '' });
      world.step();
      world.hold(0, 1);
      one.begin(0);
      one.deleted();
      for (const sidecar of [one, other]) sidecar.leave(1);
      world.step();
      world.hold(0, 1);
      world.step();
      world.tick(AGE);
      world.step();
      expect(world.reached).toContain('aborted');
      mint(world, one);
      world.step();
    },
  },
  ABORT_RESTS: {
    mutant: { abortAtOnce: true },
    breaks: 'ONE_MEANING',
    tell: (world, one) => {
      stage(world);
      world.hold(0, 1);
      one.begin(1);
      one.leave(1);
      world.want({ kind: 'abort', why: '' });
      world.step();
      stage(world);
      world.apply(0);
    },
  },
  AGE: {
    mutant: { guards: { age: open } },
    breaks: 'ONE_MEANING',
    tell: (world, one, other) => {
      quarantine(world, one, other);
      world.hold(0, 1);
      world.step();
      again(world, one);
    },
  },
  QUARANTINE_SEEN: {
    mutant: { guards: { clockOf: ({ id }) => `config ${id}` } },
    breaks: 'ONE_MEANING',
    tell: (world, one, other) => {
      quarantine(world, one, other);
      world.hold(0, 1);
      world.look(0);
      world.decide(0);
      world.tick(AGE - 1);
      world.putState(0, 'staged');
      world.hold(0, 1);
      one.begin(0);
      one.leave(0);
      world.putState(0, 'quarantined');
      world.hold(0, 1);
      world.tick(1);
      world.step();
      again(world, one);
    },
  },
  REMOVAL_ACKED: {
    mutant: {
      guards: {
        removalAcked: (keys, fleet, revision) => ({
          waits: [],
          when: allForgot(keys, fleet, revision).slice(1),
        }),
      },
    },
    breaks: 'ONE_MEANING',
    tell: (world, one, other) => {
      quarantine(world, one, other);
      world.hold(0);
      world.step();
      world.tick(AGE);
      world.step();
      world.silence(1);
      world.away(1);
      again(world, one);
    },
  },
  STALE_ACKED: {
    mutant: {
      guards: {
        removalAcked: (keys, fleet, revision) => ({
          waits: [],
          when: allForgot(keys, fleet, revision).slice(0, 1),
        }),
      },
    },
    breaks: 'ONE_MEANING',
    tell: (world, one, other) => {
      mint(world, one, other);
      world.silence(1);
      world.away(1);
      for (const sidecar of [one, other]) sidecar.leave(0);
      world.step();
      world.hold(0);
      world.step();
      world.tick(AGE);
      world.step();
      again(world, one);
    },
  },
};

/** What a story breaks; undefined for nothing. */
function broken(mutant: Mutant, { tell }: Story): string | undefined {
  const world = new World(mutant);
  const [one, other] = world.sidecars;
  if (one === undefined || other === undefined) throw new Error('a world has two sidecars');
  for (const sidecar of [one, other]) sidecar.begin(0);
  try {
    tell(world, one, other);
  } catch (error) {
    if (error instanceof Violation) return error.message;
    throw error;
  }
  return undefined;
}

describe.each(Object.entries(STORIES))('%s', (_, story) => {
  it('keeps its invariant', () => {
    expect(broken({}, story)).toBeUndefined();
  });

  it('is what keeps it', () => {
    expect(broken(story.mutant, story)).toContain(story.breaks);
  });
});
