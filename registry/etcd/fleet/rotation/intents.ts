// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../../../core/index.js';
import {
  type AskedConfig,
  type ForceableStep,
  isOver,
  type RotationRecord,
  type RotationStep,
  type Word,
} from './record.js';

/** What a person wants of a rotation. The controller of the pool does it. */
export type Intent =
  | {
      readonly kind: 'begin';
      readonly id: string;
      readonly asked: AskedConfig;
      readonly why: string;
    }
  | { readonly kind: 'pause'; readonly why: string }
  | { readonly kind: 'resume' }
  | { readonly kind: 'abort'; readonly why: string }
  | { readonly kind: 'force'; readonly step: ForceableStep; readonly why: string };

type Unstamped = Omit<RotationRecord, 'stamp'>;

/** The step of a record at which each can be forced. */
const FORCED_AT: Readonly<Record<ForceableStep, readonly RotationStep[]>> = {
  mint: ['staged'],
  quarantine: ['staged', 'minting', 'withdrawn'],
  remove: ['quarantined'],
};

/**
 * The record with what a person wants; undefined where it says so already.
 *
 * @param by who wants it
 * @throws CidecarError ARGUMENT_INVALID where that cannot be had now
 */
export function withIntent(
  record: RotationRecord | undefined,
  intent: Intent,
  by: string,
): Unstamped | undefined {
  if (intent.kind === 'begin') return begun(record, intent, by);
  if (record === undefined || isOver(record)) {
    throw new CidecarError('ARGUMENT_INVALID', 'no rotation of this pool is under way');
  }
  const { stamp: _, ...present } = record;
  switch (intent.kind) {
    case 'pause':
      return record.paused ? undefined : { ...present, paused: word(by, intent.why) };
    case 'resume':
      return record.paused ? { ...present, paused: undefined } : undefined;
    case 'abort':
      return record.aborted
        ? undefined
        : { ...present, aborted: word(by, intent.why), force: undefined };
    case 'force':
      return { ...present, force: forced(record, intent, by) };
  }
}

function begun(
  record: RotationRecord | undefined,
  { id, asked, why }: Extract<Intent, { kind: 'begin' }>,
  by: string,
): Unstamped | undefined {
  if (record?.id === id) return undefined;
  if (record !== undefined && !isOver(record)) {
    const message = `a rotation is under way, which ${record.by} began: --status shows it, and --resume watches it`;
    throw new CidecarError('ARGUMENT_INVALID', message);
  }
  return { id, step: 'asked', by, why, asked, forced: [] };
}

function forced(
  { step, aborted }: RotationRecord,
  intent: Extract<Intent, { kind: 'force' }>,
  by: string,
) {
  const at = FORCED_AT[intent.step];
  const early = intent.step === 'quarantine' && step === 'staged' && aborted === undefined;
  if (!at.includes(step) || early) {
    const message = `the rotation is ${step}; ${intent.step} is not its next step`;
    throw new CidecarError('ARGUMENT_INVALID', message);
  }
  return { ...word(by, intent.why), step: intent.step };
}

function word(by: string, why: string): Word {
  return { by, why };
}
