// SPDX-License-Identifier: Apache-2.0
import {
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  type RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type RequestOp,
  type TxnRequest,
} from '../../../proto/gen/etcdserverpb/etcd.js';

/** Builders of conditions and operations, of which a transaction is put together. */

/** A condition of a transaction. */
export type Condition = Compare;
/** One operation of a transaction. */
export type Operation = RequestOp;

export interface Transaction {
  /** All must hold for `success`; without any `success` is always done. */
  readonly when: readonly Condition[];
  readonly success: readonly Operation[];
  readonly failure?: readonly Operation[];
}

/** The operations of one transaction, and its conditions, are at most this many each. */
export const MAX_OPERATIONS = 128;
/** Transactions inside one another; deeper ones are committed but their answer cannot be read. */
export const MAX_NESTING = 32;

/** Keys from `key` on, up to but without `end`; one key where there is no `end`. */
export interface KeyRange {
  readonly key: string | Buffer;
  readonly end?: Buffer;
}

const NO_OCTETS = Buffer.alloc(0);

/** Where the keys that begin with `prefix` end. */
export function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix, 'utf8');
  // UTF-8 has no octet 0xff, so the last one can always be made larger.
  const last = end.length - 1;
  const octet = end[last];
  // A range end of one zero octet means every key from the beginning on.
  if (octet === undefined) return Buffer.from([0]);
  end[last] = octet + 1;
  return end;
}

export function withPrefix(prefix: string): KeyRange & { readonly key: string } {
  return { key: prefix, end: prefixEnd(prefix) };
}

export function octets(value: string | Uint8Array): Buffer {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value);
}

/** The first key of a range; etcd takes no empty one. */
function firstKey({ key, end }: KeyRange): Buffer {
  return key.length === 0 && end !== undefined ? Buffer.from([0]) : octets(key);
}

/** The key is not there. */
export function absent(key: string): Condition {
  return compare({ key }, 'EQUAL', 'CREATE', { $case: 'createRevision', value: 0 });
}

/** The key is there. */
export function present(key: string): Condition {
  return compare({ key }, 'GREATER', 'CREATE', { $case: 'createRevision', value: 0 });
}

/** The key is as it was read: its last change is at this revision (0: it is not there). */
export function unchanged(key: string, modRevision: number): Condition {
  return compare({ key }, 'EQUAL', 'MOD', { $case: 'modRevision', value: modRevision });
}

/** The key is the one that was made at this revision, whatever was put into it since. */
export function createdAt(key: string, createRevision: number): Condition {
  return compare({ key }, 'EQUAL', 'CREATE', { $case: 'createRevision', value: createRevision });
}

/**
 * No key with this prefix, or of this range, was put since `revision`. What was deleted since is
 * not seen; a set of keys is as it was when this holds and their number is the same.
 */
export function rangeUnchanged(range: string | KeyRange, revision: number): Condition {
  const value = revision + 1;
  const whole = typeof range === 'string' ? withPrefix(range) : range;
  return compare(whole, 'LESS', 'MOD', { $case: 'modRevision', value });
}

/** There is no key with this prefix. */
export function rangeEmpty(prefix: string): Condition {
  return compare(withPrefix(prefix), 'EQUAL', 'CREATE', { $case: 'createRevision', value: 0 });
}

/** The value of the key is this one. False where the key is not there. */
export function valueIs(key: string, value: string | Uint8Array): Condition {
  return compare({ key }, 'EQUAL', 'VALUE', { $case: 'value', value: octets(value) });
}

/**
 * The value of each key with this prefix is above `value`, octet by octet: numbers are written
 * with leading zeroes. **False where there is no such key**: see {@link rangeEmpty}.
 */
export function valueOver(prefix: string, value: string | Uint8Array): Condition {
  return compare(withPrefix(prefix), 'GREATER', 'VALUE', { $case: 'value', value: octets(value) });
}

/** The key hangs on this lease. */
export function leaseIs(key: string, leaseId: string): Condition {
  return compare({ key }, 'EQUAL', 'LEASE', { $case: 'lease', value: leaseId });
}

export function put(key: string, value: string | Uint8Array, leaseId = '0'): Operation {
  const request = { key: octets(key), value: octets(value), lease: leaseId, prevKv: false };
  return { request: { $case: 'requestPut', value: request } };
}

export interface GetOptions {
  /** At most this many keys; 0: all. */
  readonly limit?: number;
  /** Revision to read at; 0: the present one. */
  readonly revision?: number;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  /** The last keys first, so that with a limit of 1 it is the last key of the range. */
  readonly backwards?: boolean;
}

export function get(range: string | KeyRange, options: GetOptions = {}): Operation {
  return { request: { $case: 'requestRange', value: rangeRequest(range, options) } };
}

export function remove(range: string | KeyRange): Operation {
  const where = typeof range === 'string' ? { key: range } : range;
  const value = { key: firstKey(where), rangeEnd: where.end ?? NO_OCTETS, prevKv: false };
  return { request: { $case: 'requestDeleteRange', value } };
}

/** A transaction inside another one. */
export function nested(transaction: Transaction): Operation {
  return { request: { $case: 'requestTxn', value: shallowRequest(transaction) } };
}

/** Throws RangeError for one that is nested too deeply. */
export function txnRequest(transaction: Transaction): TxnRequest {
  const request = shallowRequest(transaction);
  if (depthOf(request) > MAX_NESTING) {
    throw new RangeError(`transactions nest ${MAX_NESTING} deep at most`);
  }
  return request;
}

function depthOf({ success, failure }: TxnRequest): number {
  const inner = [...success, ...failure].flatMap(({ request }) =>
    request?.$case === 'requestTxn' ? [depthOf(request.value)] : [],
  );
  return inner.length === 0 ? 0 : 1 + Math.max(...inner);
}

function shallowRequest({ when, success, failure = [] }: Transaction): TxnRequest {
  return { compare: [...when], success: [...success], failure: [...failure] };
}

export function rangeRequest(range: string | KeyRange, options: GetOptions = {}): RangeRequest {
  const where = typeof range === 'string' ? { key: range } : range;
  return {
    key: firstKey(where),
    rangeEnd: where.end ?? NO_OCTETS,
    limit: options.limit ?? 0,
    revision: options.revision ?? 0,
    sortOrder: options.backwards ? RangeRequest_SortOrder.DESCEND : RangeRequest_SortOrder.NONE,
    sortTarget: RangeRequest_SortTarget.KEY,
    serializable: false,
    keysOnly: options.keysOnly ?? false,
    countOnly: options.countOnly ?? false,
  };
}

function compare(
  range: KeyRange,
  result: 'EQUAL' | 'GREATER' | 'LESS',
  target: 'CREATE' | 'MOD' | 'VALUE' | 'LEASE',
  targetUnion: NonNullable<Compare['targetUnion']>,
): Condition {
  return {
    result: Compare_CompareResult[result],
    target: Compare_CompareTarget[target],
    key: firstKey(range),
    targetUnion,
    rangeEnd: range.end ?? NO_OCTETS,
  };
}
