// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../../../core/index.js';
import { absent, type KeyRange, put } from '../../client/index.js';
import { configValueText } from '../../layout/index.js';
import { consequences, type PoolContents } from './contents.js';
import type { RotationDecision } from './decision.js';
import { exchange, newConfig } from './new-config.js';
import { type NewRun, newIds } from './new-ids.js';
import type { SeenConfig } from './rotation-picture.js';
import { refused, type StepDraft, waits } from './step-draft.js';

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
  const { contents, fleet, pool } = draft.situation;
  const { keys } = draft.options;
  const from = draft.config('from');
  const to = draft.config('to');
  if (from?.value.shape.state !== 'minting') return draft.notAsLeft('from', 'minting');
  if (to?.value.shape.state !== 'staged') return draft.notAsLeft('to', 'staged');
  if (contents === undefined) return { kind: 'read' };
  const made = newIds(contents, from.id, to, draft.options);
  if (made instanceof CidecarError) return refused('mint', made.message);
  if (made.length > 0) return giveIds(draft, made, to, contents);
  const { lacking, revision } = idsUnder(contents, from.id, to);
  const forced = draft.isForced('mint');
  const open = draft.guards.gate(keys, fleet, revision);
  const waiting = [...open.waits];
  if (lacking.length > 0 && !forced) waiting.push({ kind: 'server-ids', servers: lacking });
  if (waiting.length > 0) return waits('mint', waiting);
  const written = exchange(from, to, pool, keys);
  const { judges = true } = draft.options;
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
      when: [draft.guards.asSeen(from), draft.guards.asSeen(to), ...open.when],
      success: written.map(([key, text]) => put(key, text)),
      says: [`config ${to.id} mints, and config ${from.id} is retiring`],
    },
  );
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

/** Servers that lack IDs under the new config, and when it or an ID under it was written last. */
function idsUnder(
  { assembly, entries }: PoolContents,
  from: number,
  to: SeenConfig,
): { lacking: string[]; revision: number } {
  const served = new Set<string>();
  let revision = to.modRevision;
  for (const { server, key } of assembly?.ids.runsOf(to.id) ?? []) {
    served.add(server);
    revision = Math.max(revision, entries.get(key)?.modRevision ?? 0);
  }
  const lacking = new Set<string>();
  for (const { server } of assembly?.ids.runsOf(from) ?? []) {
    const entry = assembly?.servers.get(server);
    if (entry === undefined || entry.value.state === 'down' || served.has(server)) continue;
    lacking.add(server);
  }
  return { lacking: [...lacking].sort(), revision };
}
