// SPDX-License-Identifier: Apache-2.0
import type { KeyValue, Kv, OperationResult } from './kv.js';
import { get, type Operation, put, type Transaction, unchanged } from './operations.js';

/**
 * The key by which a transaction can be told from all others: only its caller writes it, and the
 * value is one that the caller did not put there before.
 */
export interface Mark {
  readonly key: string;
  readonly value: string | Uint8Array;
  /** ID of the lease that the key is to hang on. Default: none. */
  readonly lease?: string;
  /** Revision of the last change of the key as the caller knows it, 0 for none. Default: read. */
  readonly before?: number;
}

export type MarkedResult =
  | {
      readonly done: true;
      /** Revision at which it was done. */
      readonly revision: number;
      /** Of the operations of `success`; undefined where the answer was lost. */
      readonly results: readonly OperationResult[] | undefined;
    }
  | {
      readonly done: false;
      readonly revision: number;
      /** Of the operations of `failure`. */
      readonly results: readonly OperationResult[];
      /** The key of the mark as it is. */
      readonly mark: KeyValue | undefined;
    };

export interface MarkedTransaction extends Transaction {
  /** Begins the message of an error. */
  readonly what: string;
  readonly mark: Mark;
  /** Milliseconds until it is given up, its fate then unknown. Default 30 000. */
  readonly giveUpMs?: number;
}

/**
 * A transaction that is done once, whatever becomes of the answers. It puts its mark together
 * with its operations, if the mark is as it was before. So it may be sent again: a copy that
 * comes late finds the mark changed, and the mark says to whom that is due.
 *
 * Rejects with a RegistryCallError. Its fate is "unknown" where a copy was sent whose answer
 * never came, and no later copy was answered: the same call, also after a restart, finds out.
 */
export async function transact(kv: Kv, transaction: MarkedTransaction): Promise<MarkedResult> {
  const { what, mark } = transaction;
  const value = typeof mark.value === 'string' ? Buffer.from(mark.value) : Buffer.from(mark.value);
  let before = mark.before;
  if (before === undefined) {
    const present = await kv.get(mark.key);
    // Done already: by a call that failed with an unknown fate, or before a restart.
    if (present?.value.equals(value)) return doneBefore(present);
    before = present?.modRevision ?? 0;
  }
  const marked = {
    when: [unchanged(mark.key, before), ...transaction.when],
    success: [put(mark.key, value, mark.lease), ...transaction.success],
    failure: [get(mark.key), ...(transaction.failure ?? [])] satisfies Operation[],
  };
  const giveUpMs = transaction.giveUpMs ?? 30_000;
  const result = await kv.txn(marked, { what, giveUpMs, repeatable: true });
  const [first, ...results] = result.results;
  if (result.held) return { done: true, revision: result.revision, results };
  const present = first?.kind === 'get' ? first.entries[0] : undefined;
  if (present?.value.equals(value)) return doneBefore(present);
  return { done: false, revision: result.revision, results, mark: present };
}

function doneBefore({ modRevision }: KeyValue): MarkedResult {
  return { done: true, revision: modRevision, results: undefined };
}
