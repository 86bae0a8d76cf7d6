// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { type FollowHandlers, type KeyValue, RegistryCallError } from '../client/index.js';
import { Keys } from '../layout/keys.js';
import { entriesOfDocument, keyring } from '../testing/documents.js';
import { FollowedState, type Outcome } from './followed-state.js';

const keys = new Keys();

function entry(key: string, value: string, modRevision: number): KeyValue {
  const createRevision = 1;
  return { key, value: Buffer.from(value), createRevision, modRevision, version: 1, lease: '0' };
}

/** A follower whose etcd is this test: nothing comes unless the test hands it over. */
function followed(text: string) {
  let handlers: FollowHandlers | undefined;
  let committed = 3;
  const outcomes: Outcome[] = [];
  const state = new FollowedState({
    client: {
      kv: { get: async (key) => (key === keys.meta ? undefined : entry(key, '{}', committed)) },
      follow: (_, given) => {
        handlers = given;
        return { connected: true, disconnectedForMs: undefined, close: () => {} };
      },
    },
    keys,
    keyring: keyring(),
    onOutcome: (outcome) => outcomes.push(outcome),
  });
  if (handlers === undefined) throw new Error('it follows at once');
  const { onSnapshot, onChanges, onDisconnected, onConnected } = handlers;
  const first = [...entriesOfDocument(text, keys)].map(([key, value]) => entry(key, value, 3));
  return {
    state,
    outcomes,
    begin: () => onSnapshot({ revision: 3, entries: first }),
    commit: (revision: number) => {
      committed = revision;
    },
    change: (revision: number, key: string, value: string) =>
      onChanges({
        revision,
        resync: false,
        changes: [
          { kind: 'put', entry: entry(key, value, revision) },
          { kind: 'put', entry: entry(keys.revision, '{}', revision) },
        ],
      }),
    leave: (message: string) =>
      onDisconnected?.(new RegistryCallError('REGISTRY_UNAVAILABLE', message, UNKNOWN)),
    come: (revision: number) => onConnected?.(revision),
  };
}

const UNKNOWN = { fate: 'unknown', passing: true } as const;

const TEXT = 'pools: { web: { servers: [{ name: a, address: 10.0.0.1 }] } }';
const A = keys.server('web', 'a');
const weight = (n: number) => `{"address":"10.0.0.1","weight":${n}}`;

function weightIn(outcome: Outcome | undefined): number | undefined {
  if (outcome === undefined || 'error' in outcome) return undefined;
  return outcome.state.pools[0]?.servers[0]?.weight;
}

it('a reader waits for what was committed before it asked', async () => {
  const { state, begin, commit, change } = followed(TEXT);
  await begin();
  expect(weightIn(await state.upToDate())).toBe(100);
  commit(5);
  let answer: Outcome | undefined;
  const reading = state.upToDate().then((outcome) => {
    answer = outcome;
  });
  await change(4, A, weight(4));
  await expect.poll(() => weightIn(state.outcome)).toBe(4);
  expect(answer).toBeUndefined();
  await change(5, A, weight(5));
  await reading;
  expect(weightIn(answer)).toBe(5);
  state.close();
});

it('a reader is told that etcd is away, and later what there is', async () => {
  const { state, outcomes, begin, leave, come } = followed(TEXT);
  await begin();
  await state.upToDate();
  leave('away');
  await expect(state.upToDate()).rejects.toThrow('away');
  expect(outcomes.at(-1)).toMatchObject({ error: { message: 'away' } });
  await come(3);
  expect(weightIn(await state.upToDate())).toBe(100);
  expect(weightIn(outcomes.at(-1))).toBe(100);
  state.close();
});

it('changes that came while a state was put together are in the next one', async () => {
  const { state, outcomes, begin, commit, change } = followed(TEXT);
  await begin();
  await state.upToDate();
  const before = outcomes.length;
  for (let revision = 4; revision <= 40; revision += 1) {
    void change(revision, A, weight(revision));
  }
  commit(40);
  expect(weightIn(await state.upToDate())).toBe(40);
  expect(outcomes.length - before).toBeLessThan(37);
  state.close();
});

it('who waits when it is closed is told', async () => {
  const { state, begin, commit } = followed(TEXT);
  await begin();
  await state.upToDate();
  commit(9);
  const reading = state.upToDate();
  await Promise.resolve();
  setImmediate(() => state.close());
  await expect(reading).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
});
