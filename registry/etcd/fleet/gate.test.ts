// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import type { KeyValue } from '../client/index.js';
import { acknowledgement } from '../layout/index.js';
import { heldByAll, putAway, waitingToForget, waitingToHold } from './acknowledgements.js';
import { decideGate, describeWaiting, revisionOf, whoIssues } from './gate.js';
import { entry, keys, pictureOf } from './testing/picture.js';

const config = { key: keys.config('web', 1), modRevision: 20 };
const ids = [{ key: keys.id('web', 1, '00ff'), modRevision: 25 }];

function viewOf(acks: Record<string, number>, more: readonly KeyValue[] = []) {
  const entries = Object.entries(acks).map(([agent, revision]) =>
    entry(keys.ack(agent), acknowledgement(revision), revision + 1),
  );
  return pictureOf([...entries, ...more]).view;
}

const live = (agent: string) => entry(keys.liveAgent(agent), { identity: agent });
const stale = (agent: string, revision: number) =>
  entry(keys.stale(agent), acknowledgement(revision));

it('wants what was written last to be held by everybody', () => {
  expect(revisionOf({ config, ids })).toBe(25);
  expect(revisionOf({ config, ids: [] })).toBe(20);
  const decide = (acks: Record<string, number>) =>
    decideGate(keys, viewOf(acks), { config, ids }).open;
  expect(decide({ 'lb-1': 25, 'lb-2': 30 })).toBe(true);
  expect(decide({ 'lb-1': 24, 'lb-2': 30 })).toBe(false);
});

it('does not open where no agent joined', () => {
  const decision = decideGate(keys, viewOf({}), { config, ids });
  expect(decision).toEqual({ open: false, revision: 25, waiting: [] });
});

it('says for whom it waits, and which of them gives no sign of life', () => {
  const view = viewOf({ 'lb-3': 10, 'lb-1': 10, 'lb-2': 25 }, [live('lb-1'), live('lb-2')]);
  expect(decideGate(keys, view, { config, ids })).toEqual({
    open: false,
    revision: 25,
    waiting: [
      { agent: 'lb-1', acknowledged: 10, condition: 'lagging' },
      { agent: 'lb-3', acknowledged: 10, condition: 'silent' },
    ],
  });
});

it('waits for agents that are away only before something is freed', () => {
  const view = viewOf({ 'lb-2': 25 }, [stale('lb-1', 24), stale('lb-3', 25)]);
  expect(waitingToHold(view, 25)).toEqual([]);
  expect(waitingToForget(view, 25)).toEqual([
    { agent: 'lb-1', acknowledged: 24, condition: 'away' },
  ]);
  expect(heldByAll(view)).toBe(25);
  expect(heldByAll(viewOf({}, [stale('lb-1', 24)]))).toBeUndefined();
});

it('puts only such agents away that give no sign of life and acknowledge', () => {
  const view = viewOf({ 'lb-1': 10, 'lb-2': 10 }, [live('lb-1')]);
  expect(putAway(keys, view, 'lb-1')).toBeUndefined();
  expect(putAway(keys, view, 'lb-3')).toBeUndefined();
  expect(putAway(keys, view, 'lb-2')?.when).toHaveLength(2);
});

it('knows who issues under a config', () => {
  const use = (server: string) => entry(keys.use('web', 1, server), { identity: server });
  const { view } = pictureOf([use('web-2'), use('web-1'), entry(keys.use('web', 2, 'a'), {})]);
  expect(whoIssues(view, 'web', 1)).toEqual(['web-1', 'web-2']);
  expect(whoIssues(view, 'web', 3)).toEqual([]);
});

it('describes for whom something waits', () => {
  const waiting = (count: number) =>
    Array.from({ length: count }, (_, i) => {
      return { agent: `lb-${i}`, acknowledged: 1, condition: 'lagging' as const };
    });
  expect(describeWaiting([])).toBe('a first balancer to join');
  expect(describeWaiting(waiting(1))).toBe('lb-0');
  expect(describeWaiting([{ agent: 'a', acknowledged: 1, condition: 'silent' }])).toBe(
    'a (no sign of life)',
  );
  expect(describeWaiting(waiting(3))).toBe('lb-0, lb-1 and lb-2');
  expect(describeWaiting(waiting(7))).toBe('lb-0, lb-1, lb-2, lb-3, lb-4 and 2 more');
});
