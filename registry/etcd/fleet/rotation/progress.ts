// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../../../cid/index.js';
import type { Keys } from '../../layout/index.js';
import type { Keyring } from '../../store/keyring.js';
import type { PoolContents } from './contents.js';
import { decide } from './decide.js';
import type { Wait } from './decision.js';
import type { RotationRecord } from './record.js';
import type { RotationView } from './rotation-picture.js';
import { describeNext, describeRecord, describeWait } from './words.js';

/** How far a rotation is, for people and as JSON. */
export interface RotationProgress {
  readonly pool: string;
  /** Undefined where there was no rotation yet. */
  readonly record: RotationRecord | undefined;
  /** The agent that takes the steps; undefined where there is none at present. */
  readonly controller: string | undefined;
  readonly waits: readonly Wait[];
  /** The step that comes when nothing is waited for any more; undefined where none does. */
  readonly next: string | undefined;
  /** In words: how far it is, what is waited for, what comes next. */
  readonly words: readonly string[];
}

export interface ProgressOptions {
  readonly keys: Keys;
  readonly keyring: Keyring;
  readonly schemes?: Schemes;
  /** As the controllers have it. */
  readonly quietSeconds?: number;
}

/**
 * What anybody can see of a rotation. It is decided as the controller decides, but for what only
 * that one knows: its clock, of which the last saved time is shown, and why it refuses, which
 * stands in the record.
 *
 * @param contents undefined where it was not read; then `contentsWanted` says whether it matters
 */
export function progressOf(
  view: RotationView,
  contents: PoolContents | undefined,
  options: ProgressOptions,
): RotationProgress {
  const { pool, fleet } = view;
  const record = view.record?.value;
  const holder = fleet.controllers.get(pool);
  const controller = holder?.value.agent;
  const { waits, next } = waitsOf(view, contents, holder?.createRevision ?? 0, options);
  const words = record === undefined ? ['there was no rotation yet'] : [describeRecord(record)];
  words.push(...waits.map(describeWait));
  if (record !== undefined && record.step !== 'over' && controller === undefined) {
    words.push('no agent is the controller of the pool: no step is taken until one is');
  }
  const comes = next === undefined ? undefined : describeNext(next);
  if (comes !== undefined) words.push(`next: ${comes}`);
  return { pool, record, controller, waits, next, words };
}

/** Whether the IDs of the pool have to be read to say what is waited for. */
export function contentsWanted({ record }: RotationView): boolean {
  return record?.value.step === 'staged' && record.value.aborted === undefined;
}

function waitsOf(
  view: RotationView,
  contents: PoolContents | undefined,
  controller: number,
  options: ProgressOptions,
): { waits: readonly Wait[]; next: Parameters<typeof describeNext>[0] | undefined } {
  const record = view.record?.value;
  if (record === undefined || record.step === 'over') return { waits: [], next: undefined };
  const paused: Wait[] = record.paused ? [{ kind: 'paused', ...record.paused }] : [];
  const refused: Wait[] = record.refused ? [{ kind: 'refused', why: record.refused }] : [];
  const known = [...paused, ...refused];
  if (record.step === 'asked' && record.aborted === undefined) {
    return { waits: known, next: 'stage' };
  }
  const { paused: _, ...running } = record;
  const situation = {
    ...view,
    record: view.record && { ...view.record, value: running },
    controller,
    contents,
    passed: (_: string, saved: number) => saved,
  };
  const decision = decide(situation, {
    ...options,
    quietSeconds: options.quietSeconds ?? 30,
    saveEvery: Number.POSITIVE_INFINITY,
    judges: false,
    sealNewKey: () => {
      throw new Error('progress makes no key');
    },
  });
  if (decision.kind === 'wait') {
    const others = decision.waits.filter(({ kind }) => kind !== 'refused');
    return { waits: [...known, ...others], next: decision.next };
  }
  return { waits: known, next: decision.kind === 'step' ? decision.step.name : undefined };
}
