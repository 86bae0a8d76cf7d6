// SPDX-License-Identifier: Apache-2.0
import { put, remove } from '../../client/index.js';
import { configValueText } from '../../layout/index.js';
import type { RotationDecision } from './decision.js';
import type { Guard } from './guards.js';
import { inState } from './new-config.js';
import { leavingConfig } from './record.js';
import { DEFAULT_CONNECTION_AGE } from './situation.js';
import { removeAll, type StepDraft, waits } from './step-draft.js';

/** The config that leaves is decoded no more: the old one, or after an abort the new one. */
export function quarantine(draft: StepDraft, state: 'retiring' | 'staged'): RotationDecision {
  const { fleet, pool } = draft.situation;
  const { keys, quietSeconds } = draft.options;
  const which = draft.record.aborted === undefined ? 'from' : 'to';
  const config = draft.config(which);
  if (config?.value.shape.state !== state) return draft.notAsLeft(which, state);
  const forced = draft.isForced('quarantine');
  const marks = draft.guards.uses(keys, fleet, pool, config.id);
  const guards: Guard[] = forced
    ? []
    : [
        marks,
        ...(marks.waits.length === 0 ? [draft.guards.olderGone(fleet, pool, config.id)] : []),
        ...(state === 'retiring' ? [draft.guards.quiet(fleet, pool, config.id, quietSeconds)] : []),
      ];
  const waiting = guards.flatMap((guard) => guard.waits);
  if (waiting.length > 0) return waits('quarantine', waiting);
  const text = configValueText(inState(config.value, 'quarantined'));
  return draft.step(
    'quarantine',
    { step: 'quarantined' },
    {
      when: [draft.guards.asSeen(config), ...guards.flatMap((guard) => guard.when)],
      // A mark that nobody took back would say that its sidecar may go on.
      success: [put(config.key, text), ...(forced ? [removeAll(keys.uses(pool, config.id))] : [])],
      says: [`config ${config.id} is quarantined`],
    },
  );
}

/** The config that leaves is gone, when it has been in quarantine for long enough. */
export function removeConfig(draft: StepDraft): RotationDecision {
  const { fleet, pool, value, passed } = draft.situation;
  const { keys, saveEvery } = draft.options;
  const id = leavingConfig(draft.record);
  const config = id === undefined ? undefined : draft.situation.configs.get(id);
  if (id === undefined || config === undefined) return draft.giveUp();
  if (config.value.shape.state !== 'quarantined') {
    return draft.notAsLeft(draft.record.aborted === undefined ? 'from' : 'to', 'quarantined');
  }
  const { clock } = draft.record;
  // QUARANTINE_SEEN: a clock of another quarantine says nothing about this one.
  const saved = clock?.of === config.modRevision ? clock.seconds : 0;
  const rested = passed(draft.guards.clockOf(config), saved);
  const forced = draft.isForced('remove');
  const of = value?.allocation?.connectionAge ?? DEFAULT_CONNECTION_AGE;
  const acked = draft.guards.removalAcked(keys, fleet, config.modRevision);
  const waiting = [...(forced ? [] : draft.guards.age(id, rested, of).waits), ...acked.waits];
  if (waiting.length > 0) {
    if (rested - saved < saveEvery || rested >= of + saveEvery) return waits('remove', waiting);
    const now = { of: config.modRevision, seconds: Math.floor(rested) };
    return draft.step('save', { clock: now }, { when: [draft.guards.asSeen(config)] });
  }
  return draft.step('remove', draft.ended(), {
    when: [draft.guards.asSeen(config), ...acked.when],
    success: [
      remove(config.key),
      ...[keys.ids(pool, id), keys.rest(pool, id), keys.pinned(pool, id)].map(removeAll),
      removeAll(keys.uses(pool, id)),
    ],
    says: [`config ${id} is removed with its key and its IDs`],
  });
}
