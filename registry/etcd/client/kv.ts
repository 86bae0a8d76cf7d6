// SPDX-License-Identifier: Apache-2.0
import {
  type KeyValue as GrpcKeyValue,
  KVService,
  type ResponseOp,
  type TxnResponse,
} from '../../../proto/gen/etcdserverpb/etcd.js';
import type { CallOptions, Connection } from './connection.js';
import { RegistryCallError } from './errors.js';
import {
  type KeyRange,
  octets,
  put,
  rangeRequest,
  remove,
  type Transaction,
  txnRequest,
  withPrefix,
} from './operations.js';

export interface KeyValue {
  readonly key: string;
  readonly value: Buffer;
  /** Revision at which the key was made. */
  readonly createRevision: number;
  /** Revision of its last change. */
  readonly modRevision: number;
  /** 1 for a key that was put once since it was made. */
  readonly version: number;
  /** ID of the lease that the key hangs on; '0': none. */
  readonly lease: string;
}

/** All keys of a range at one revision. */
export interface Snapshot {
  readonly revision: number;
  readonly entries: readonly KeyValue[];
}

/** What one operation of a transaction gave. */
export type OperationResult =
  | { readonly kind: 'get'; readonly entries: readonly KeyValue[]; readonly count: number }
  | { readonly kind: 'put' }
  | { readonly kind: 'remove'; readonly removed: number }
  | { readonly kind: 'nested'; readonly result: TransactionResult };

export interface TransactionResult {
  /** Whether `success` was done; else `failure` was. */
  readonly held: boolean;
  readonly revision: number;
  /** One for each operation of the branch that was done. */
  readonly results: readonly OperationResult[];
}

/** Keys that one Range of a snapshot asks for: smaller pages cost etcd more. */
export const PAGE_KEYS = 10_000;

const ZERO = Buffer.from([0]);

/** Reads and writes. Every method rejects with a {@link RegistryCallError}. */
export class Kv {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** @param within milliseconds until it is given up; as of the connection, if left out */
  async get(key: string, within?: number): Promise<KeyValue | undefined> {
    const { kvs } = await this.#range(`read of ${key}`, key, {}, within);
    return kvs[0] === undefined ? undefined : keyValue(kvs[0]);
  }

  /** All keys with a prefix, or of a range, at one revision. */
  async list(
    range: string | KeyRange,
    options: { revision?: number; pageKeys?: number } = {},
  ): Promise<Snapshot> {
    const entries: KeyValue[] = [];
    let revision = options.revision ?? 0;
    for await (const page of this.pages(range, options)) {
      revision = page.revision;
      for (const entry of page.entries) entries.push(entry);
    }
    return { revision, entries };
  }

  /** The pages of {@link list}, at least one, each at the same revision. */
  async *pages(
    range: string | KeyRange,
    { revision = 0, pageKeys = PAGE_KEYS }: { revision?: number; pageKeys?: number } = {},
  ): AsyncGenerator<Snapshot> {
    const whole = typeof range === 'string' ? withPrefix(range) : range;
    let at = revision;
    let key: string | Buffer = whole.key;
    for (;;) {
      const rest: KeyRange = { ...whole, key };
      const options = { limit: pageKeys, revision: at };
      const response = await this.#range(`read of ${whole.key}*`, rest, options);
      if (at === 0) at = revisionOf(response);
      const entries = response.kvs.map(keyValue);
      yield { revision: at, entries };
      const last = response.kvs.at(-1);
      if (!response.more || last === undefined) return;
      // The smallest key after the last one. Octets, because keys of others may be no UTF-8.
      key = Buffer.concat([last.key, ZERO]);
    }
  }

  /** How many keys a range has. */
  async count(range: string | KeyRange): Promise<{ revision: number; count: number }> {
    const whole = typeof range === 'string' ? withPrefix(range) : range;
    const response = await this.#range(`count of ${whole.key}*`, whole, { countOnly: true });
    return { revision: revisionOf(response), count: response.count };
  }

  /** Puts, however often; it is sent again until it is known to be done. Returns the revision. */
  async put(key: string, value: string | Uint8Array, leaseId = '0'): Promise<number> {
    const transaction = { when: [], success: [put(key, value, leaseId)] };
    return (await this.#txn(`put of ${key}`, transaction, { repeatable: true })).revision;
  }

  /** Deletes one key or a range. Returns how many keys were there, as the last try found. */
  async remove(range: string | KeyRange): Promise<{ revision: number; removed: number }> {
    const name = typeof range === 'string' ? range : `${range.key}*`;
    const transaction = { when: [], success: [remove(range)] };
    const done = await this.#txn(`removal of ${name}`, transaction, { repeatable: true });
    const [result] = done.results;
    const removed = result?.kind === 'remove' ? result.removed : 0;
    return { revision: done.revision, removed };
  }

  /**
   * A transaction, sent once. When it fails with the fate "unknown" it may have been done: see
   * `transact` for those that can be told by a key. `repeatable` sends it again instead, for
   * transactions that have the same effect and the same answer twice.
   */
  txn(
    transaction: Transaction,
    options: { what?: string } & Partial<CallOptions> = {},
  ): Promise<TransactionResult> {
    const { what = 'transaction', ...call } = options;
    return this.#txn(what, transaction, { repeatable: false, ...call });
  }

  async compact(revision: number): Promise<void> {
    const request = { revision, physical: true };
    const options = { repeatable: false, attemptMs: 30_000, giveUpMs: 30_000 };
    await this.#connection.call('compaction', KVService.compact, request, options);
  }

  #range(
    what: string,
    range: string | KeyRange,
    options: Parameters<typeof rangeRequest>[1],
    within?: number,
  ) {
    const request = rangeRequest(range, options);
    const call = { repeatable: true, ...(within !== undefined && { giveUpMs: within }) };
    return this.#connection.call(what, KVService.range, request, call);
  }

  async #txn(what: string, transaction: Transaction, options: CallOptions) {
    const request = txnRequest(transaction);
    const response = await this.#connection.call(what, KVService.txn, request, options);
    return transactionResult(response);
  }
}

export function keyValue(kv: GrpcKeyValue): KeyValue {
  return {
    key: Buffer.from(kv.key.buffer, kv.key.byteOffset, kv.key.byteLength).toString('utf8'),
    // A copy: a view would keep the whole message that it came in.
    value: octets(kv.value),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
    lease: kv.lease,
  };
}

function transactionResult(response: TxnResponse, outer = 0): TransactionResult {
  const revision = response.header?.revision ?? outer;
  return {
    held: response.succeeded,
    revision,
    results: response.responses.map((each) => operationResult(each, revision)),
  };
}

function operationResult({ response }: ResponseOp, revision: number): OperationResult {
  switch (response?.$case) {
    case 'responseRange':
      return {
        kind: 'get',
        entries: response.value.kvs.map(keyValue),
        count: response.value.count,
      };
    case 'responsePut':
      return { kind: 'put' };
    case 'responseDeleteRange':
      return { kind: 'remove', removed: response.value.deleted };
    case 'responseTxn':
      return { kind: 'nested', result: transactionResult(response.value, revision) };
    default:
      throw unreadable('an operation without a result');
  }
}

function revisionOf({ header }: { header?: { revision: number } | undefined }): number {
  if (header === undefined) throw unreadable('an answer without a header');
  return header.revision;
}

function unreadable(what: string): RegistryCallError {
  return new RegistryCallError('REGISTRY_UNAVAILABLE', `etcd gave ${what}`, {
    fate: 'unknown',
    passing: false,
  });
}
