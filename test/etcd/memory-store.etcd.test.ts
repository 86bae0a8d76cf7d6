// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  absent,
  type Condition,
  createdAt,
  type EtcdClient,
  leaseIs,
  nested,
  type Operation,
  present,
  put,
  rangeEmpty,
  rangeUnchanged,
  remove,
  type Transaction,
  unchanged,
  valueIs,
  valueOver,
  withPrefix,
} from '../../registry/etcd/client/index.js';
import { MemoryStore } from '../../registry/etcd/testing/memory-store.js';
import { Members } from './members.js';

let members: Members;
let client: EtcdClient;
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());

const key = fc.constantFrom('/t/a', '/t/b/1', '/t/b/2', '/t/b', '/t/c');
const prefix = fc.constantFrom('/t/', '/t/b/', '/t/b', '/t/c/', '/t/d');
const value = fc.constantFrom('', '1', '2', '20');
/** Of a revision, counted from the one at the beginning. */
const ago = fc.integer({ min: -1, max: 6 });

type Of<Made> = (base: number) => Made;

const condition: fc.Arbitrary<Of<Condition>> = fc.oneof(
  key.map((k) => () => absent(k)),
  key.map((k) => () => present(k)),
  prefix.map((p) => () => rangeEmpty(p)),
  fc.tuple(key, ago).map(
    ([k, r]) =>
      (base: number) =>
        unchanged(k, r < 0 ? 0 : base + r),
  ),
  fc.tuple(key, ago).map(
    ([k, r]) =>
      (base: number) =>
        createdAt(k, r < 0 ? 0 : base + r),
  ),
  fc.tuple(prefix, ago).map(
    ([p, r]) =>
      (base: number) =>
        rangeUnchanged(p, base + r),
  ),
  fc.tuple(prefix, value).map(
    ([p, v]) =>
      () =>
        valueOver(p, v),
  ),
  fc.tuple(key, value).map(
    ([k, v]) =>
      () =>
        valueIs(k, v),
  ),
  key.map((k) => () => leaseIs(k, '0')),
);
const change: fc.Arbitrary<Of<Operation>> = fc.oneof(
  fc.tuple(key, value).map(
    ([k, v]) =>
      () =>
        put(k, v),
  ),
  key.map((k) => () => remove(k)),
  prefix.map((p) => () => remove(withPrefix(p))),
  fc.tuple(condition, key, value).map(([when, k, v]) => (base: number) => {
    return nested({ when: [when(base)], success: [put(k, v)], failure: [remove(k)] });
  }),
);
const transaction: fc.Arbitrary<Of<Transaction>> = fc
  .record({
    when: fc.array(condition, { maxLength: 2 }),
    success: fc.array(change, { maxLength: 1 }),
    failure: fc.array(change, { maxLength: 1 }),
  })
  .map(({ when, success, failure }) => (base: number) => ({
    when: when.map((each) => each(base)),
    success: success.map((each) => each(base)),
    failure: failure.map((each) => each(base)),
  }));

test('transactions in memory do what those of etcd do', async () => {
  const held: boolean[] = [];
  await fc.assert(
    fc.asyncProperty(fc.array(transaction, { maxLength: 12 }), async (transactions) => {
      const store = new MemoryStore();
      // Both begin at a revision of their own, of which the numbers are counted.
      const { revision } = await client.kv.remove(withPrefix('/t/'));
      const shift = revision - store.revision;
      for (const make of transactions) {
        const real = await client.kv.txn(make(revision));
        expect(store.txn(make(revision - shift))).toBe(real.held);
        held.push(real.held);
        expect(store.revision + shift).toBe(real.revision);
      }
      const { entries } = await client.kv.list('/t/');
      const there = entries.map((entry) => ({
        ...entry,
        createRevision: entry.createRevision - shift,
        modRevision: entry.modRevision - shift,
      }));
      expect(store.list('/t/')).toEqual(there);
    }),
    { numRuns: 300 },
  );
  expect(new Set(held).size).toBe(2);
});
