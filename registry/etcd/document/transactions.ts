// SPDX-License-Identifier: Apache-2.0
import { MAX_OPERATIONS, type Operation, put, remove, withPrefix } from '../client/index.js';
import type { Atom, KeyChange } from './key-changes.js';

/** Room for what is put into every transaction: the revision, an event, the salt. */
const RESERVED = 3;

/**
 * The changes as transactions, in their order. What is one atom stays in one transaction, unless
 * it alone is too large for one. What fits into one transaction is one, without the steps that
 * only matter between two.
 *
 * @param most operations of a transaction; for tests
 */
export function transactionsOf(
  atoms: readonly Atom[],
  most: number = MAX_OPERATIONS - RESERVED,
): KeyChange[][] {
  const last = new Map<string, KeyChange>();
  for (const change of atoms.flatMap(({ changes }) => changes)) last.set(keyOf(change), change);
  if (last.size === 0) return [];
  if (last.size <= most) return [[...last.values()]];
  const all: KeyChange[][] = [];
  let current: KeyChange[] = [];
  let keys = new Set<string>();
  const close = () => {
    if (current.length > 0) all.push(current);
    current = [];
    keys = new Set();
  };
  for (const { changes } of atoms) {
    const whole = changes.length <= most;
    if (whole && current.length + changes.length > most) close();
    for (const change of changes) {
      // etcd takes a key once in a transaction.
      if (current.length >= most || keys.has(keyOf(change))) close();
      current.push(change);
      keys.add(keyOf(change));
    }
  }
  close();
  return all;
}

export function operationOf(change: KeyChange): Operation {
  if ('put' in change) return put(change.put, change.value);
  return remove(change.prefix === true ? withPrefix(change.remove) : change.remove);
}

export function keyOf(change: KeyChange): string {
  return 'put' in change ? change.put : change.remove;
}
