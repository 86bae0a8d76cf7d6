// SPDX-License-Identifier: Apache-2.0
import {
  absent,
  type Condition,
  createdAt,
  type Operation,
  remove,
  unchanged,
  withPrefix,
} from '../../client/index.js';
import type { PoolContents } from './contents.js';
import type { RotationDecision, Step, StepName, Wait } from './decision.js';
import { ROTATION_GUARDS, type RotationGuards } from './guards.js';
import { type ForceableStep, leavingConfig, type RotationRecord } from './record.js';
import type { SeenConfig } from './rotation-picture.js';
import type { DecideOptions, Situation } from './situation.js';

type Parts = Partial<Pick<Step, 'when' | 'success' | 'says'>>;

/** What all steps of a rotation are made of: what was seen of it, and the form of a step. */
export class StepDraft {
  readonly situation: Situation;
  readonly record: RotationRecord;
  readonly options: DecideOptions;
  readonly guards: RotationGuards;

  constructor(situation: Situation, record: RotationRecord, options: DecideOptions) {
    this.guards = options.guards ?? ROTATION_GUARDS;
    this.situation = situation;
    this.record = record;
    this.options = options;
  }

  config(which: 'from' | 'to'): SeenConfig | undefined {
    const id = this.record[which];
    return id === undefined ? undefined : this.situation.configs.get(id);
  }

  isForced(step: ForceableStep): boolean {
    return this.record.force?.step === step;
  }

  /** Nothing of the desired state was written since the pool was read. */
  nothingChanged({ desiredRevision }: PoolContents): Condition {
    return unchanged(this.options.keys.revision, desiredRevision);
  }

  notAsLeft(which: 'from' | 'to', state: string): RotationDecision {
    const id = this.record[which];
    const now = this.config(which)?.value.shape.state ?? 'gone';
    return changed(
      `config ${id} is ${now}, and the rotation left it ${state}: make it ${state} again, or abort the rotation`,
    );
  }

  /** CONTROLLER: whoever lost its lease does nothing more; safety does not rest on it. */
  step(name: StepName, change: Partial<RotationRecord>, parts: Parts): RotationDecision {
    const { controller, pool } = this.situation;
    const { keys } = this.options;
    const forced = this.record.force;
    const used = forced?.step === (name === 'mint again' ? 'mint' : name) ? forced : undefined;
    const { stamp: _, ...before } = this.record;
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

  giveUp(): RotationDecision {
    const { to } = this.record;
    const gone =
      to === undefined
        ? []
        : [absent(this.options.keys.config(this.situation.pool, leavingConfig(this.record) ?? to))];
    return this.step('give up', this.ended(), {
      when: gone,
      says: ['the rotation is over; there is nothing left to do'],
    });
  }

  ended(): Partial<RotationRecord> {
    const outcome = this.record.aborted === undefined ? 'rotated' : 'aborted';
    return { step: 'over', outcome, clock: undefined, paused: undefined, force: undefined };
  }
}

export function removeAll(prefix: string): Operation {
  return remove(withPrefix(prefix));
}

export function waits(next: StepName, list: readonly Wait[]): RotationDecision {
  return { kind: 'wait', waits: list, next };
}

export function refused(next: StepName, why: string): RotationDecision {
  return waits(next, [{ kind: 'refused', why }]);
}

export function changed(why: string): RotationDecision {
  return waits('save', [{ kind: 'changed', why }]);
}
