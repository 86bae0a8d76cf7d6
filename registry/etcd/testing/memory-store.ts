// SPDX-License-Identifier: Apache-2.0
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  type DeleteRangeRequest,
  type RangeRequest,
} from '../../../proto/gen/etcdserverpb/etcd.js';
import {
  type Condition,
  type KeyValue,
  type Operation,
  type Transaction,
  withPrefix,
} from '../client/index.js';

interface Stored {
  readonly value: Buffer;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: string;
}

/**
 * Keys in memory, whose transactions do what those of etcd do: one at a time, and one revision
 * for each that changes something. Leases never end by themselves.
 */
export class MemoryStore {
  readonly #keys = new Map<string, Stored>();
  #revision = 1;

  get revision(): number {
    return this.#revision;
  }

  /** Whether `success` was done; else `failure` was. */
  txn(transaction: Transaction): boolean {
    const next = this.#revision + 1;
    const { held, changed } = this.#run(transaction, next);
    if (changed) this.#revision = next;
    return held;
  }

  get(key: string): KeyValue | undefined {
    const stored = this.#keys.get(key);
    return stored && { key, ...stored };
  }

  /** All keys with a prefix, in their order. */
  list(prefix: string): KeyValue[] {
    const { key, end } = withPrefix(prefix);
    return this.#in(Buffer.from(key), end ?? Buffer.alloc(0));
  }

  /** Takes away the keys of a lease, as at its end. */
  expire(lease: string): void {
    const gone = [...this.#keys].filter(([, stored]) => stored.lease === lease);
    for (const [key] of gone) this.#keys.delete(key);
    if (gone.length > 0) this.#revision += 1;
  }

  #run(
    { when, success, failure = [] }: Pick<Transaction, 'when' | 'success' | 'failure'>,
    revision: number,
  ): { held: boolean; changed: boolean } {
    const held = when.every((condition) => this.#holds(condition));
    let changed = false;
    for (const operation of held ? success : failure) {
      if (this.#do(operation, revision)) changed = true;
    }
    return { held, changed };
  }

  #do({ request }: Operation, revision: number): boolean {
    switch (request?.$case) {
      case 'requestPut': {
        const key = Buffer.from(request.value.key).toString();
        const before = this.#keys.get(key);
        this.#keys.set(key, {
          value: Buffer.from(request.value.value),
          createRevision: before?.createRevision ?? revision,
          modRevision: revision,
          version: (before?.version ?? 0) + 1,
          lease: request.value.lease,
        });
        return true;
      }
      case 'requestDeleteRange':
        return this.#delete(request.value);
      case 'requestTxn': {
        const { compare, success, failure } = request.value;
        return this.#run({ when: compare, success, failure }, revision).changed;
      }
      default:
        return false;
    }
  }

  #delete({ key, rangeEnd }: DeleteRangeRequest): boolean {
    const gone = this.#in(Buffer.from(key), Buffer.from(rangeEnd));
    for (const entry of gone) this.#keys.delete(entry.key);
    return gone.length > 0;
  }

  /** Of one key, or of each key of a range; of a key that is absent, as if it had only zeroes. */
  #holds(condition: Condition): boolean {
    const key = Buffer.from(condition.key);
    const end = Buffer.from(condition.rangeEnd);
    const found = this.#in(key, end);
    if (found.length > 0) return found.every((entry) => isTrue(condition, entry));
    if (condition.target === Compare_CompareTarget.VALUE) return false;
    return isTrue(condition, undefined);
  }

  #in(key: Buffer, end: RangeRequest['rangeEnd']): KeyValue[] {
    const last = Buffer.from(end);
    if (last.length === 0) {
      const name = key.toString();
      const stored = this.#keys.get(name);
      return stored === undefined ? [] : [{ key: name, ...stored }];
    }
    const entries = [...this.#keys].filter(([name]) => {
      const octets = Buffer.from(name);
      return octets.compare(key) >= 0 && octets.compare(last) < 0;
    });
    entries.sort(([a], [b]) => Buffer.from(a).compare(Buffer.from(b)));
    return entries.map(([name, stored]) => ({ key: name, ...stored }));
  }
}

function isTrue({ result, targetUnion }: Condition, entry: KeyValue | undefined): boolean {
  const order = orderOf(targetUnion, entry);
  switch (result) {
    case Compare_CompareResult.EQUAL:
      return order === 0;
    case Compare_CompareResult.GREATER:
      return order > 0;
    case Compare_CompareResult.LESS:
      return order < 0;
    default:
      return order !== 0;
  }
}

function orderOf(target: Condition['targetUnion'], entry: KeyValue | undefined): number {
  switch (target?.$case) {
    case 'createRevision':
      return (entry?.createRevision ?? 0) - target.value;
    case 'modRevision':
      return (entry?.modRevision ?? 0) - target.value;
    case 'version':
      return (entry?.version ?? 0) - target.value;
    case 'lease':
      return Number(BigInt(entry?.lease ?? '0') - BigInt(target.value));
    case 'value':
      return (entry?.value ?? Buffer.alloc(0)).compare(Buffer.from(target.value));
    default:
      throw new RangeError('a condition compares something');
  }
}
