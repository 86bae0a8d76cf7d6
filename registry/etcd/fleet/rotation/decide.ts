// SPDX-License-Identifier: Apache-2.0
import { abort } from './abort-steps.js';
import type { RotationDecision } from './decision.js';
import { quarantine, removeConfig } from './leaving-steps.js';
import { mint, stage } from './new-config-steps.js';
import { isOver } from './record.js';
import type { DecideOptions, Situation } from './situation.js';
import { changed, StepDraft, waits } from './step-draft.js';

/** The next step of a rotation, or what it waits for. It is pure; each step compares what it saw. */
export function decide(situation: Situation, options: DecideOptions): RotationDecision {
  const { record, unreadable } = situation;
  if (record === undefined || isOver(record.value)) return { kind: 'none' };
  if (unreadable.length > 0) {
    return waits('save', [{ kind: 'changed', why: `${unreadable.join(', ')} cannot be read` }]);
  }
  const draft = new StepDraft(situation, record.value, options);
  const { paused } = record.value;
  const decision = withRefusal(draft, nextStep(draft));
  if (paused === undefined || decision.kind === 'wait' || decision.kind === 'none') return decision;
  // A clock goes on while the steps do not.
  if (decision.kind === 'step' && decision.step.name === 'save') return decision;
  return waits(decision.kind === 'step' ? decision.step.name : 'stage', [
    { kind: 'paused', ...paused },
  ]);
}

function nextStep(draft: StepDraft): RotationDecision {
  const { step, aborted } = draft.record;
  if (aborted !== undefined) return abort(draft);
  switch (step) {
    case 'asked':
      return stage(draft);
    case 'staged':
      return mint(draft);
    case 'minting':
      return quarantine(draft, 'retiring');
    case 'quarantined':
      return removeConfig(draft);
    default:
      return changed(`a rotation that was not aborted cannot be ${step}`);
  }
}

/** A refusal stands in the record, for whoever asks: it may be one that only this host knows. */
function withRefusal(draft: StepDraft, decision: RotationDecision): RotationDecision {
  if (decision.kind !== 'wait') return decision;
  const [first] = decision.waits;
  const why = first?.kind === 'refused' ? first.why : undefined;
  if (draft.options.judges === false) return decision;
  if (why === draft.record.refused) return decision;
  return draft.step('save', { refused: why }, {});
}
