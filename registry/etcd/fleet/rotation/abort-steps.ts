// SPDX-License-Identifier: Apache-2.0
import { put } from '../../client/index.js';
import { configValueText } from '../../layout/index.js';
import type { RotationDecision } from './decision.js';
import { quarantine, removeConfig } from './leaving-steps.js';
import { exchange, inState } from './new-config.js';
import { type StepDraft, waits } from './step-draft.js';

/** ABORT_RESTS: the new config goes through quarantine too, whatever the rotation came to. */
export function abort(draft: StepDraft): RotationDecision {
  const { step } = draft.record;
  switch (step) {
    case 'asked':
      return draft.giveUp();
    case 'staged':
      return withdraw(draft);
    case 'minting':
      return mintAgain(draft, 'retiring');
    case 'restoring':
      return mintAgain(draft, 'staged');
    case 'withdrawn':
      return quarantine(draft, 'retiring');
    case 'quarantined':
      return draft.config('to')?.value.shape.state === 'minting'
        ? restore(draft)
        : removeConfig(draft);
    default:
      return { kind: 'none' };
  }
}

/** Out of quarantine again, as long as the key is there. */
function restore(draft: StepDraft): RotationDecision {
  const from = draft.config('from');
  if (from?.value.shape.state !== 'quarantined') return draft.notAsLeft('from', 'quarantined');
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

function mintAgain(draft: StepDraft, state: 'retiring' | 'staged'): RotationDecision {
  const { fleet, pool } = draft.situation;
  const { keys } = draft.options;
  const from = draft.config('from');
  const to = draft.config('to');
  if (from?.value.shape.state !== state) return draft.notAsLeft('from', state);
  if (to?.value.shape.state !== 'minting') return draft.notAsLeft('to', 'minting');
  const open = draft.guards.gate(keys, fleet, from.modRevision);
  if (open.waits.length > 0) return waits('mint again', open.waits);
  return draft.step(
    'mint again',
    { step: 'withdrawn' },
    {
      when: [draft.guards.asSeen(from), draft.guards.asSeen(to), ...open.when],
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
