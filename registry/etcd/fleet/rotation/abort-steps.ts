// SPDX-License-Identifier: Apache-2.0
import { put } from '../../client/index.js';
import { configValueText } from '../../layout/index.js';
import type { RotationDecision } from './decision.js';
import { idsFirst, idsUnder } from './ids-first.js';
import { quarantine, removeConfig } from './leaving-steps.js';
import { exchange, inState } from './new-config.js';
import type { StepDraft } from './step-draft.js';

/** ABORT_RESTS: the new config goes through quarantine too, whatever the rotation came to. */
export function abort(draft: StepDraft): RotationDecision {
  const { step } = draft.record;
  switch (step) {
    case 'asked':
      return draft.giveUp();
    case 'staged':
      return withdraw(draft);
    case 'minting':
      return mintAgain(draft);
    case 'restoring':
      return mintAgain(draft);
    case 'withdrawn':
      return quarantine(draft, 'retiring');
    case 'quarantined':
      return draft.config('to')?.value.shape.state === 'minting'
        ? restore(draft, 'quarantined')
        : removeConfig(draft);
    default:
      return { kind: 'none' };
  }
}

/**
 * Staged again, as long as the key is there: out of quarantine, or because servers came while it
 * was retiring, which are given IDs under configs that mint or are staged.
 */
function restore(draft: StepDraft, state: 'quarantined' | 'retiring'): RotationDecision {
  const from = draft.config('from');
  if (from?.value.shape.state !== state) return draft.notAsLeft('from', state);
  return draft.step(
    'restore',
    { step: 'restoring', clock: undefined },
    {
      when: [draft.guards.asSeen(from)],
      success: [put(from.key, configValueText(inState(from.value, 'staged')))],
      says: [`config ${from.id} is staged again`],
    },
  );
}

function mintAgain(draft: StepDraft): RotationDecision {
  const { contents, pool } = draft.situation;
  const { keys } = draft.options;
  const state = draft.record.step === 'restoring' ? 'staged' : 'retiring';
  const from = draft.config('from');
  const to = draft.config('to');
  if (from?.value.shape.state !== state) return draft.notAsLeft('from', state);
  if (to?.value.shape.state !== 'minting') return draft.notAsLeft('to', 'minting');
  if (contents === undefined) return { kind: 'read' };
  if (state === 'retiring' && idsUnder(contents, to.id, from).lacking.length > 0) {
    return restore(draft, 'retiring');
  }
  const ready = idsFirst(draft, 'mint again', { former: to, next: from, contents });
  if (!('when' in ready)) return ready;
  return draft.step(
    'mint again',
    { step: 'withdrawn' },
    {
      when: [draft.guards.asSeen(from), draft.guards.asSeen(to), ...ready.when],
      success: exchange(to, from, pool, keys).map(([key, text]) => put(key, text)),
      says: [`config ${from.id} mints again, and config ${to.id} is retiring`],
    },
  );
}

/** A staged config is quarantined at once if no sidecar ran out of nonces and issues under it. */
function withdraw(draft: StepDraft): RotationDecision {
  const { fleet, pool } = draft.situation;
  const to = draft.config('to');
  if (to === undefined) return draft.giveUp();
  if (to.value.shape.state !== 'staged') return draft.notAsLeft('to', 'staged');
  if (draft.guards.uses(draft.options.keys, fleet, pool, to.id).waits.length === 0) {
    return quarantine(draft, 'staged');
  }
  return draft.step(
    'withdraw',
    { step: 'withdrawn' },
    {
      when: [draft.guards.asSeen(to)],
      success: [put(to.key, configValueText(inState(to.value, 'retiring')))],
      says: [`config ${to.id} is retiring: sidecars issued under it before it was minted`],
    },
  );
}
