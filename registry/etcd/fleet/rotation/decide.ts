// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../../../core/index.js';
import {
  absent,
  type Condition,
  createdAt,
  type KeyRange,
  type Operation,
  put,
  remove,
  unchanged,
  withPrefix,
} from '../../client/index.js';
import { configValueText, type Keys } from '../../layout/index.js';
import { consequences, type PoolContents } from './contents.js';
import type { RotationDecision, Step, StepName, Wait } from './decision.js';
import { type Guard, ROTATION_GUARDS, type RotationGuards } from './guards.js';
import { exchange, inState, type NewConfigOptions, newConfig } from './new-config.js';
import { type NewRun, newIds } from './new-ids.js';
import { type ForceableStep, isOver, leavingConfig, type RotationRecord } from './record.js';
import type { RotationView, SeenConfig } from './rotation-picture.js';

/** Seconds for which connections can last where the pool does not say it. */
export const DEFAULT_CONNECTION_AGE = 86_400;

export interface DecideOptions extends NewConfigOptions {
  readonly keys: Keys;
  /** Seconds without a packet that are asked for before a config is quarantined. */
  readonly quietSeconds: number;
  /** Seconds of the clock of a quarantine after which they are saved again. */
  readonly saveEvery: number;
  /**
   * Whether what minting would lose is looked at, for which the keys of the pool have to be
   * opened. Default true.
   */
  readonly judges?: boolean;
  /** For tests. */
  readonly guards?: RotationGuards;
  /** IDs that are given in one transaction, at most. Default 40. */
  readonly idsAtOnce?: number;
}

/** What a decision is made on. */
export interface Situation extends RotationView {
  /** Revision at which the lease of the pool's controller was taken; it is the decider's own. */
  readonly controller: number;
  /** Everything of the pool; undefined where it was not read, or too long ago. */
  readonly contents: PoolContents | undefined;
  /**
   * Seconds on the decider's own clock, and those saved: see PassedTime.
   *
   * @param of names what is measured
   */
  readonly passed: (of: string, saved: number) => number;
}

type Parts = Partial<Pick<Step, 'when' | 'success' | 'says'>>;

/** The next step of a rotation, or what it waits for. It is pure; each step compares what it saw. */
export function decide(situation: Situation, options: DecideOptions): RotationDecision {
  const { record, unreadable } = situation;
  if (record === undefined || isOver(record.value)) return { kind: 'none' };
  if (unreadable.length > 0) {
    return waits('save', [{ kind: 'changed', why: `${unreadable.join(', ')} cannot be read` }]);
  }
  const decider = new Decider(situation, record.value, options);
  const { paused } = record.value;
  const decision = decider.withRefusal(decider.decide());
  if (paused === undefined || decision.kind === 'wait' || decision.kind === 'none') return decision;
  // A clock goes on while the steps do not.
  if (decision.kind === 'step' && decision.step.name === 'save') return decision;
  return waits(decision.kind === 'step' ? decision.step.name : 'stage', [
    { kind: 'paused', ...paused },
  ]);
}

class Decider {
  readonly #situation: Situation;
  readonly #record: RotationRecord;
  readonly #options: DecideOptions;
  readonly #guards: RotationGuards;

  constructor(situation: Situation, record: RotationRecord, options: DecideOptions) {
    this.#guards = options.guards ?? ROTATION_GUARDS;
    this.#situation = situation;
    this.#record = record;
    this.#options = options;
  }

  decide(): RotationDecision {
    const { step, aborted } = this.#record;
    if (aborted !== undefined) return this.#abort();
    switch (step) {
      case 'asked':
        return this.#stage();
      case 'staged':
        return this.#mint();
      case 'minting':
        return this.#quarantine('retiring');
      case 'quarantined':
        return this.#remove();
      default:
        return changed(`a rotation that was not aborted cannot be ${step}`);
    }
  }

  /** A refusal stands in the record, for whoever asks: it may be one that only this host knows. */
  withRefusal(decision: RotationDecision): RotationDecision {
    if (decision.kind !== 'wait') return decision;
    const [first] = decision.waits;
    const why = first?.kind === 'refused' ? first.why : undefined;
    if (this.#options.judges === false) return decision;
    if (why === this.#record.refused) return decision;
    return this.#step('save', { refused: why }, {});
  }

  /** ABORT_RESTS: the new config goes through quarantine too, whatever the rotation came to. */
  #abort(): RotationDecision {
    const { step } = this.#record;
    switch (step) {
      case 'asked':
        return this.#giveUp();
      case 'staged':
        return this.#withdraw();
      case 'minting':
        return this.#mintAgain('retiring');
      case 'restoring':
        return this.#mintAgain('staged');
      case 'withdrawn':
        return this.#quarantine('retiring');
      case 'quarantined':
        return this.#config('to')?.value.shape.state === 'minting'
          ? this.#restore()
          : this.#remove();
      default:
        return { kind: 'none' };
    }
  }

  #stage(): RotationDecision {
    const { configs, contents, pool } = this.#situation;
    const { keys } = this.#options;
    const from = [...configs.values()].find(({ value }) => value.shape.state === 'minting');
    if (from === undefined) return refused('stage', 'the pool has no config that mints');
    if (contents === undefined) return { kind: 'read' };
    const made = newConfig(contents, from, this.#record.asked, this.#options);
    if (made instanceof CidecarError) return refused('stage', made.message);
    const text = configValueText(made.value);
    const key = keys.config(pool, made.id);
    return this.#step(
      'stage',
      { step: 'staged', from: from.id, to: made.id },
      {
        when: [this.#guards.asSeen(from), absent(key), this.#nothingChanged(contents)],
        success: [put(key, text)],
        says: [`config ${made.id} is staged, to take the place of config ${from.id}`],
      },
    );
  }

  #mint(): RotationDecision {
    const { contents, fleet, pool } = this.#situation;
    const { keys } = this.#options;
    const from = this.#config('from');
    const to = this.#config('to');
    if (from?.value.shape.state !== 'minting') return this.#notAsLeft('from', 'minting');
    if (to?.value.shape.state !== 'staged') return this.#notAsLeft('to', 'staged');
    if (contents === undefined) return { kind: 'read' };
    const made = newIds(contents, from.id, to, this.#options);
    if (made instanceof CidecarError) return refused('mint', made.message);
    if (made.length > 0) return this.#giveIds(made, to, contents);
    const { lacking, revision } = idsUnder(contents, from.id, to);
    const forced = this.#isForced('mint');
    const open = this.#guards.gate(keys, fleet, revision);
    const waiting = [...open.waits];
    if (lacking.length > 0 && !forced) waiting.push({ kind: 'server-ids', servers: lacking });
    if (waiting.length > 0) return waits('mint', waiting);
    const written = exchange(from, to, pool, keys);
    const { judges = true } = this.#options;
    const lost = judges ? consequences(contents, written, this.#options) : [];
    if (lost instanceof CidecarError) return refused('mint', lost.message);
    const [first] = lost;
    if (first !== undefined && !forced) {
      return refused('mint', `${first.message} Instead: ${first.instead}`);
    }
    return this.#step(
      'mint',
      { step: 'minting' },
      {
        when: [this.#guards.asSeen(from), this.#guards.asSeen(to), ...open.when],
        success: written.map(([key, text]) => put(key, text)),
        says: [`config ${to.id} mints, and config ${from.id} is retiring`],
      },
    );
  }

  #giveIds(made: readonly NewRun[], to: SeenConfig, contents: PoolContents): RotationDecision {
    const { keys, idsAtOnce = 40 } = this.#options;
    const { pool } = this.#situation;
    const now = made.slice(0, idsAtOnce);
    const ranges = now.map(({ first, last }): KeyRange => {
      return { key: first, end: Buffer.from(`${last}\0`) };
    });
    const servers = new Set(now.map(({ server }) => server)).size;
    return this.#step(
      'give IDs',
      {},
      {
        // RUN_RANGE by the last: nothing was written since it was seen that no ID is there.
        when: [this.#guards.asSeen(to), this.#nothingChanged(contents)],
        success: now.map(({ key, text }) => put(key, text)),
        says: [
          `${servers} servers have IDs under config ${to.id} (${ranges.length} runs in pool ${pool}, the first ${now[0]?.key.slice(keys.ids(pool, to.id).length)})`,
        ],
      },
    );
  }

  #quarantine(state: 'retiring' | 'staged'): RotationDecision {
    const { fleet, pool } = this.#situation;
    const { keys, quietSeconds } = this.#options;
    const which = this.#record.aborted === undefined ? 'from' : 'to';
    const config = this.#config(which);
    if (config?.value.shape.state !== state) return this.#notAsLeft(which, state);
    const forced = this.#isForced('quarantine');
    const marks = this.#guards.uses(keys, fleet, pool, config.id);
    const guards: Guard[] = forced
      ? []
      : [
          marks,
          ...(marks.waits.length === 0 ? [this.#guards.olderGone(fleet, pool, config.id)] : []),
          ...(state === 'retiring'
            ? [this.#guards.quiet(fleet, pool, config.id, quietSeconds)]
            : []),
        ];
    const waiting = guards.flatMap((guard) => guard.waits);
    if (waiting.length > 0) return waits('quarantine', waiting);
    const text = configValueText(inState(config.value, 'quarantined'));
    return this.#step(
      'quarantine',
      { step: 'quarantined' },
      {
        when: [this.#guards.asSeen(config), ...guards.flatMap((guard) => guard.when)],
        // A mark that nobody took back would say that its sidecar may go on.
        success: [
          put(config.key, text),
          ...(forced ? [removeAll(keys.uses(pool, config.id))] : []),
        ],
        says: [`config ${config.id} is quarantined`],
      },
    );
  }

  #remove(): RotationDecision {
    const { fleet, pool, value, passed } = this.#situation;
    const { keys, saveEvery } = this.#options;
    const id = leavingConfig(this.#record);
    const config = id === undefined ? undefined : this.#situation.configs.get(id);
    if (id === undefined || config === undefined) return this.#giveUp();
    if (config.value.shape.state !== 'quarantined') {
      return this.#notAsLeft(this.#record.aborted === undefined ? 'from' : 'to', 'quarantined');
    }
    const { clock } = this.#record;
    // QUARANTINE_SEEN: a clock of another quarantine says nothing about this one.
    const saved = clock?.of === config.modRevision ? clock.seconds : 0;
    const rested = passed(this.#guards.clockOf(config), saved);
    const forced = this.#isForced('remove');
    const of = value?.allocation?.connectionAge ?? DEFAULT_CONNECTION_AGE;
    const acked = this.#guards.removalAcked(keys, fleet, config.modRevision);
    const waiting = [...(forced ? [] : this.#guards.age(id, rested, of).waits), ...acked.waits];
    if (waiting.length > 0) {
      if (rested - saved < saveEvery || rested >= of + saveEvery) return waits('remove', waiting);
      const now = { of: config.modRevision, seconds: Math.floor(rested) };
      return this.#step('save', { clock: now }, { when: [this.#guards.asSeen(config)] });
    }
    return this.#step('remove', this.#ended(), {
      when: [this.#guards.asSeen(config), ...acked.when],
      success: [
        remove(config.key),
        ...[keys.ids(pool, id), keys.rest(pool, id), keys.pinned(pool, id)].map(removeAll),
        removeAll(keys.uses(pool, id)),
      ],
      says: [`config ${id} is removed with its key and its IDs`],
    });
  }

  /** Out of quarantine again, as long as the key is there. */
  #restore(): RotationDecision {
    const from = this.#config('from');
    if (from?.value.shape.state !== 'quarantined') return this.#notAsLeft('from', 'quarantined');
    return this.#step(
      'restore',
      { step: 'restoring', clock: undefined },
      {
        when: [this.#guards.asSeen(from)],
        success: [put(from.key, configValueText(inState(from.value, 'staged')))],
        says: [`config ${from.id} is staged again`],
      },
    );
  }

  #mintAgain(state: 'retiring' | 'staged'): RotationDecision {
    const { fleet, pool } = this.#situation;
    const { keys } = this.#options;
    const from = this.#config('from');
    const to = this.#config('to');
    if (from?.value.shape.state !== state) return this.#notAsLeft('from', state);
    if (to?.value.shape.state !== 'minting') return this.#notAsLeft('to', 'minting');
    const open = this.#guards.gate(keys, fleet, from.modRevision);
    if (open.waits.length > 0) return waits('mint again', open.waits);
    return this.#step(
      'mint again',
      { step: 'withdrawn' },
      {
        when: [this.#guards.asSeen(from), this.#guards.asSeen(to), ...open.when],
        success: exchange(to, from, pool, keys).map(([key, text]) => put(key, text)),
        says: [`config ${from.id} mints again, and config ${to.id} is retiring`],
      },
    );
  }

  /** A staged config is quarantined at once if no sidecar ran out of nonces and issues under it. */
  #withdraw(): RotationDecision {
    const { fleet, pool } = this.#situation;
    const to = this.#config('to');
    if (to === undefined) return this.#giveUp();
    if (to.value.shape.state !== 'staged') return this.#notAsLeft('to', 'staged');
    if (this.#guards.uses(this.#options.keys, fleet, pool, to.id).waits.length === 0) {
      return this.#quarantine('staged');
    }
    return this.#step(
      'withdraw',
      { step: 'withdrawn' },
      {
        when: [this.#guards.asSeen(to)],
        success: [put(to.key, configValueText(inState(to.value, 'retiring')))],
        says: [`config ${to.id} is retiring: sidecars issued under it before it was minted`],
      },
    );
  }

  #giveUp(): RotationDecision {
    const { to } = this.#record;
    const gone =
      to === undefined
        ? []
        : [
            absent(
              this.#options.keys.config(this.#situation.pool, leavingConfig(this.#record) ?? to),
            ),
          ];
    return this.#step('give up', this.#ended(), {
      when: gone,
      says: ['the rotation is over; there is nothing left to do'],
    });
  }

  #ended(): Partial<RotationRecord> {
    const outcome = this.#record.aborted === undefined ? 'rotated' : 'aborted';
    return { step: 'over', outcome, clock: undefined, paused: undefined, force: undefined };
  }

  #config(which: 'from' | 'to'): SeenConfig | undefined {
    const id = this.#record[which];
    return id === undefined ? undefined : this.#situation.configs.get(id);
  }

  #isForced(step: ForceableStep): boolean {
    return this.#record.force?.step === step;
  }

  /** Nothing of the desired state was written since the pool was read. */
  #nothingChanged({ desiredRevision }: PoolContents): Condition {
    return unchanged(this.#options.keys.revision, desiredRevision);
  }

  #notAsLeft(which: 'from' | 'to', state: string): RotationDecision {
    const id = this.#record[which];
    const now = this.#config(which)?.value.shape.state ?? 'gone';
    return changed(
      `config ${id} is ${now}, and the rotation left it ${state}: make it ${state} again, or abort the rotation`,
    );
  }

  /** CONTROLLER: whoever lost its lease does nothing more; safety does not rest on it. */
  #step(name: StepName, change: Partial<RotationRecord>, parts: Parts): RotationDecision {
    const { controller, pool } = this.#situation;
    const { keys } = this.#options;
    const forced = this.#record.force;
    const used = forced !== undefined && forced.step === name ? forced : undefined;
    const { stamp: _, ...before } = this.#record;
    const record = {
      ...before,
      refused: undefined,
      ...change,
      ...(used && { force: undefined, forced: [...before.forced, used] }),
    };
    return {
      kind: 'step',
      step: {
        name,
        record,
        when: [createdAt(keys.controller(pool), controller), ...(parts.when ?? [])],
        success: parts.success ?? [],
        says: parts.says ?? [],
        forced: used === undefined ? [] : [`${used.step}, by ${used.by}: ${used.why}`],
      },
    };
  }
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

function removeAll(prefix: string): Operation {
  return remove(withPrefix(prefix));
}

function waits(next: StepName, list: readonly Wait[]): RotationDecision {
  return { kind: 'wait', waits: list, next };
}

function refused(next: StepName, why: string): RotationDecision {
  return waits(next, [{ kind: 'refused', why }]);
}

function changed(why: string): RotationDecision {
  return waits('save', [{ kind: 'changed', why }]);
}
