// SPDX-License-Identifier: Apache-2.0
import { type Operation, put, type Transaction } from '../client/operations.js';
import type { Keys } from './keys.js';
import { valueText } from './read-value.js';

/**
 * A transaction, also one within another. In each branch that changes the desired state the
 * revision is written too. Every transaction is made by this function, so that nobody forgets
 * that: a change without it would have no revision that all hosts agree on.
 *
 * @param by who does it, for people: `cidctl root@host`
 */
export function transaction(keys: Keys, by: string, parts: Partial<Transaction>): Transaction {
  return {
    when: parts.when ?? [],
    success: withRevision(keys, by, parts.success ?? []),
    failure: withRevision(keys, by, parts.failure ?? []),
  };
}

function withRevision(keys: Keys, by: string, operations: readonly Operation[]): Operation[] {
  const changed = operations.flatMap((operation) => changedKey(operation) ?? []);
  const touched = changed.some((key) => key.startsWith(keys.desired));
  if (!touched || changed.includes(keys.revision)) return [...operations];
  return [...operations, put(keys.revision, valueText({ by }))];
}

function changedKey({ request }: Operation): string | undefined {
  if (request?.$case === 'requestPut') return textOf(request.value.key);
  return request?.$case === 'requestDeleteRange' ? textOf(request.value.key) : undefined;
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key).toString();
}
