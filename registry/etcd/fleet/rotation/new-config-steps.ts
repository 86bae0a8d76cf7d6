// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../../../core/index.js';
import { absent, put } from '../../client/index.js';
import { configValueText } from '../../layout/index.js';
import { consequences } from './contents.js';
import type { RotationDecision } from './decision.js';
import { idsFirst } from './ids-first.js';
import { exchange, newConfig } from './new-config.js';
import { refused, type StepDraft } from './step-draft.js';

/** The new config is made, which nobody issues under yet. */
export function stage(draft: StepDraft): RotationDecision {
  const { configs, contents, pool } = draft.situation;
  const { keys } = draft.options;
  const from = [...configs.values()].find(({ value }) => value.shape.state === 'minting');
  if (from === undefined) return refused('stage', 'the pool has no config that mints');
  if (contents === undefined) return { kind: 'read' };
  const made = newConfig(contents, from, draft.record.asked, draft.options);
  if (made instanceof CidecarError) return refused('stage', made.message);
  const text = configValueText(made.value);
  const key = keys.config(pool, made.id);
  return draft.step(
    'stage',
    { step: 'staged', from: from.id, to: made.id },
    {
      when: [draft.guards.asSeen(from), absent(key), draft.nothingChanged(contents)],
      success: [put(key, text)],
      says: [`config ${made.id} is staged, to take the place of config ${from.id}`],
    },
  );
}

/** Servers get IDs under the new config; when all have some, it takes the place of the old one. */
export function mint(draft: StepDraft): RotationDecision {
  const { contents, pool } = draft.situation;
  const { keys } = draft.options;
  const from = draft.config('from');
  const to = draft.config('to');
  if (from?.value.shape.state !== 'minting') return draft.notAsLeft('from', 'minting');
  if (to?.value.shape.state !== 'staged') return draft.notAsLeft('to', 'staged');
  if (contents === undefined) return { kind: 'read' };
  const ready = idsFirst(draft, 'mint', { former: from, next: to, contents });
  if (!('when' in ready)) return ready;
  const written = exchange(from, to, pool, keys);
  const { judges = true } = draft.options;
  const forced = draft.isForced('mint');
  const lost = judges ? consequences(contents, written, draft.options) : [];
  if (lost instanceof CidecarError) return refused('mint', lost.message);
  const [first] = lost;
  if (first !== undefined && !forced) {
    return refused('mint', `${first.message} Instead: ${first.instead}`);
  }
  return draft.step(
    'mint',
    { step: 'minting' },
    {
      when: [draft.guards.asSeen(from), draft.guards.asSeen(to), ...ready.when],
      success: written.map(([key, text]) => put(key, text)),
      says: [`config ${to.id} mints, and config ${from.id} is retiring`],
    },
  );
}
