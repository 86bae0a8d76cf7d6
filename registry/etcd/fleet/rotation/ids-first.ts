// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../../../core/index.js';
import type { Condition, KeyRange } from '../../client/index.js';
import { put } from '../../client/index.js';
import type { PoolContents } from './contents.js';
import type { RotationDecision } from './decision.js';
import { type NewRun, newIds } from './new-ids.js';
import type { SeenConfig } from './rotation-picture.js';
import { refused, type StepDraft, waits } from './step-draft.js';

export interface Exchange {
  /** The config that mints, or minted. */
  readonly former: SeenConfig;
  /** The one that takes its place. */
  readonly next: SeenConfig;
  readonly contents: PoolContents;
}

/**
 * What comes before a config takes the place of another: every server has IDs under it, or it
 * would issue 0b111, and all balancers hold them. Returns what the step that exchanges them
 * compares, when there is nothing left to do or to wait for.
 */
export function idsFirst(
  draft: StepDraft,
  step: 'mint' | 'mint again',
  { former, next, contents }: Exchange,
): RotationDecision | { readonly when: readonly Condition[] } {
  const { fleet } = draft.situation;
  const made = newIds(contents, former.id, next, draft.options);
  if (made instanceof CidecarError) return refused(step, made.message);
  if (made.length > 0) return giveIds(draft, made, next, contents);
  const { lacking, revision } = idsUnder(contents, former.id, next);
  const open = draft.guards.gate(draft.options.keys, fleet, revision);
  const waiting = [...open.waits];
  if (lacking.length > 0 && !draft.isForced('mint')) {
    waiting.push({ kind: 'server-ids', servers: lacking });
  }
  return waiting.length > 0 ? waits(step, waiting) : { when: open.when };
}

function giveIds(
  draft: StepDraft,
  made: readonly NewRun[],
  to: SeenConfig,
  contents: PoolContents,
): RotationDecision {
  const { keys, idsAtOnce = 40 } = draft.options;
  const { pool } = draft.situation;
  const now = made.slice(0, idsAtOnce);
  const ranges = now.map(({ first, last }): KeyRange => {
    return { key: first, end: Buffer.from(`${last}\0`) };
  });
  const servers = new Set(now.map(({ server }) => server)).size;
  return draft.step(
    'give IDs',
    {},
    {
      // RUN_RANGE by the last: nothing was written since it was seen that no ID is there.
      when: [draft.guards.asSeen(to), draft.nothingChanged(contents)],
      success: now.map(({ key, text }) => put(key, text)),
      says: [
        `${servers} servers have IDs under config ${to.id} (${ranges.length} runs in pool ${pool}, the first ${now[0]?.key.slice(keys.ids(pool, to.id).length)})`,
      ],
    },
  );
}

/** Servers that lack IDs under the next config, and when it or an ID under it was written last. */
export function idsUnder(
  { assembly, entries }: PoolContents,
  former: number,
  next: SeenConfig,
): { lacking: string[]; revision: number } {
  const served = new Set<string>();
  let revision = next.modRevision;
  for (const { server, key } of assembly?.ids.runsOf(next.id) ?? []) {
    served.add(server);
    revision = Math.max(revision, entries.get(key)?.modRevision ?? 0);
  }
  const lacking = new Set<string>();
  for (const { server } of assembly?.ids.runsOf(former) ?? []) {
    const entry = assembly?.servers.get(server);
    if (entry === undefined || entry.value.state === 'down' || served.has(server)) continue;
    lacking.add(server);
  }
  return { lacking: [...lacking].sort(), revision };
}
