// SPDX-License-Identifier: Apache-2.0
import { createdAt } from '../../client/index.js';
import type { Keys } from '../../layout/index.js';
import type { RotationDecision, Step } from './decision.js';
import { isOver, type RotationRecord } from './record.js';
import type { Situation } from './situation.js';

/**
 * Seconds after a rotation in which none begins because nonces run out: a config that has few
 * from the beginning would rotate without end.
 */
export const LEAST_BETWEEN = 3_600;

export interface PolicyOptions {
  readonly keys: Keys;
  /** Who begins it, for the record. */
  readonly by: string;
  /** Seconds of the clock since the last rotation after which they are saved again. */
  readonly saveEvery: number;
  /** ID of a rotation that begins. */
  readonly newId: () => string;
}

/** Whether a rotation is to begin by the policy of the pool. */
export function decidePolicy(situation: Situation, options: PolicyOptions): RotationDecision {
  const { record, value, unreadable } = situation;
  const policy = value?.rotation;
  if (policy === undefined || unreadable.length > 0) return { kind: 'none' };
  if (record !== undefined && !isOver(record.value)) return { kind: 'none' };
  if (![...situation.configs.values()].some((each) => each.value.shape.state === 'minting')) {
    return { kind: 'none' };
  }
  // The time begins to count with a record, in which it is saved.
  if (record === undefined) {
    return step(situation, options, { ...newRecord(options, ''), step: 'over', outcome: 'none' });
  }
  const saved = record.value.clock?.of === 0 ? record.value.clock.seconds : 0;
  const since = situation.passed(`since ${record.value.id}`, saved);
  const why = whyNow(situation, since, policy);
  if (why !== undefined) return step(situation, options, newRecord(options, why), why);
  if (since - saved < options.saveEvery) return { kind: 'none' };
  const { stamp: _, ...before } = record.value;
  return step(situation, options, { ...before, clock: { of: 0, seconds: Math.floor(since) } });
}

function whyNow(
  situation: Situation,
  since: number,
  { rotateEvery, rotateAtNoncesLeft }: NonNullable<NonNullable<Situation['value']>['rotation']>,
): string | undefined {
  if (rotateEvery !== undefined && since >= rotateEvery) {
    return `the last rotation was ${Math.floor(since)} s ago (rotateEvery ${rotateEvery})`;
  }
  const outcome = situation.record?.value.outcome;
  if (rotateAtNoncesLeft === undefined || (outcome !== 'none' && since < LEAST_BETWEEN)) return;
  const minting = [...situation.configs.values()].find(
    ({ value }) => value.shape.state === 'minting',
  );
  for (const [server, { value }] of situation.fleet.liveServers.in(situation.pool)) {
    const left = value.noncesLeft ?? null;
    if (value.issuing !== minting?.id || left === null || left > rotateAtNoncesLeft) continue;
    return `${server} has ${left} nonces left (rotateAtNoncesLeft ${rotateAtNoncesLeft})`;
  }
  return undefined;
}

function newRecord({ by, newId }: PolicyOptions, why: string): Omit<RotationRecord, 'stamp'> {
  return { id: newId(), step: 'asked', by, why, asked: { fields: {} }, forced: [] };
}

function step(
  { controller, pool }: Situation,
  { keys }: PolicyOptions,
  record: Step['record'],
  why?: string,
): RotationDecision {
  return {
    kind: 'step',
    step: {
      name: why === undefined ? 'save' : 'begin',
      record,
      when: [createdAt(keys.controller(pool), controller)],
      success: [],
      says: why === undefined ? [] : [`a rotation begins: ${why}`],
      forced: [],
    },
  };
}
