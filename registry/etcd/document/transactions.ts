// SPDX-License-Identifier: Apache-2.0
import { MAX_OPERATIONS, type Operation, put, remove, withPrefix } from '../client/index.js';
import type { Atom, KeyChange } from './key-changes.js';

/** Room for what is put into every transaction: the revision, an event, the salt. */
const RESERVED = 3;

/** Octets of the keys and values of a transaction: etcd refuses a request of 1.5 MiB. */
const MAX_OCTETS = 1024 * 1024;

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
  if (last.size <= most && octetsOf([...last.values()]) <= MAX_OCTETS) return [[...last.values()]];
  const all: KeyChange[][] = [];
  let current: KeyChange[] = [];
  let octets = 0;
  let keys = new Set<string>();
  const close = () => {
    if (current.length > 0) all.push(current);
    current = [];
    octets = 0;
    keys = new Set();
  };
  for (const { changes } of atoms) {
    const more = octetsOf(changes);
    const whole = changes.length <= most && more <= MAX_OCTETS;
    if (whole && (current.length + changes.length > most || octets + more > MAX_OCTETS)) close();
    for (const change of changes) {
      // etcd takes a key once in a transaction.
      const full = current.length >= most || octets + octetsOf([change]) > MAX_OCTETS;
      if (full || keys.has(keyOf(change))) close();
      current.push(change);
      octets += octetsOf([change]);
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

function octetsOf(changes: readonly KeyChange[]): number {
  return changes.reduce((sum, change) => {
    const value = 'put' in change ? Buffer.byteLength(change.value) : 0;
    return sum + keyOf(change).length + value;
  }, 0);
}
