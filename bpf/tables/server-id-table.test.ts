// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArrayView } from './array-view.js';
import { GRACE_MS } from './grace-period.js';
import { octetsOf, rowsOf, wordsOf } from './id-words.js';
import { SERVER_ID_ROW } from './layout.js';
import { RoutedIds } from './routed-ids.js';
import { type ServerIdTable, serverIdTable } from './server-id-table.js';
import { bucketShape, chooseShape, rowsOfShape, serverIdRowsFor } from './table-shape.js';
import { randomNumbers, randomOctets } from './testing/cid-probe.js';
import { ManualClock } from './testing/manual-clock.js';

function memory(rows: number): ArrayView {
  return ArrayView.inMemory(rows, SERVER_ID_ROW.size);
}

/**
 * A table of the shape that suits the IDs, not at the start of its array. It gets more rows if the
 * IDs do not fit, as in CidTables; this can happen with few IDs.
 */
function tableOf(list: RoutedIds, clock = new ManualClock()): ServerIdTable {
  const base = 3;
  let shape = chooseShape(list);
  for (let growths = 0; growths < 8; growths++) {
    const table = serverIdTable(memory(base + rowsOfShape(shape)), base, shape, clock);
    if (table.build(list)) return table;
    if (shape.kind === 'dense') break;
    shape = { kind: shape.kind, rows: Math.ceil(shape.rows * 1.2) };
  }
  throw new Error(`no table takes these ${list.length} server IDs`);
}

const anyIds = fc.integer({ min: 1, max: 15 }).chain((length) =>
  fc.tuple(
    fc.constant(length),
    fc.uniqueArray(fc.uint8Array({ minLength: length, maxLength: length }), {
      maxLength: 200,
      selector: (id) => Buffer.from(id).toString('hex'),
    }),
  ),
);

describe('a server-ID table', () => {
  it('finds what was put in, and nothing else', () => {
    fc.assert(
      fc.property(
        anyIds,
        fc.uint8Array({ minLength: 15, maxLength: 15 }),
        ([length, ids], other) => {
          const table = tableOf(
            RoutedIds.from(
              length,
              ids.map((id, i) => [id, i + 1]),
            ),
          );
          ids.forEach((id, i) => {
            expect(table.get(wordsOf(id))).toBe(i + 1);
          });
          const stranger = other.subarray(0, length);
          const known = ids.findIndex((id) => Buffer.compare(id, stranger) === 0);
          expect(table.get(wordsOf(stranger))).toBe(known + 1);
          const entries = [...table.entries()].map(([id, real]) => [octetsOf(id, length), real]);
          expect(entries).toHaveLength(ids.length);
          for (const [id, real] of entries) expect(ids[(real as number) - 1]).toEqual(id);
        },
      ),
    );
  });

  it('follows any sequence of changes', () => {
    const change = fc.record({
      id: fc.integer({ min: 0, max: 40 }),
      real: fc.integer({ min: 0, max: 5 }),
      pause: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(1, 4, 8, 9, 15),
        fc.array(change, { maxLength: 150 }),
        (length, changes) => {
          const random = randomNumbers(length);
          const names = Array.from({ length: 41 }, () => randomOctets(random, length));
          const clock = new ManualClock();
          const list = RoutedIds.from(
            length,
            names.slice(0, 20).map((id, i) => [id, i + 1]),
          );
          const model = new Map<string, number>();
          for (let i = 0; i < list.length; i++) model.set(list.id(i).join(), list.real(i));
          const table = tableOf(list, clock);
          for (const { id, real, pause } of changes) {
            if (pause) clock.pass(GRACE_MS);
            const words = wordsOf(names[id]!);
            if (table.set(words, real)) model.set(words.join(), real);
          }
          for (const name of names) {
            expect(table.get(wordsOf(name))).toBe(model.get(wordsOf(name).join()) ?? 0);
          }
        },
      ),
    );
  });

  it('does not give a freed slot to another ID while packets may read it', () => {
    const clock = new ManualClock();
    const shape = { kind: 'exact', rows: 1 } as const;
    const table = serverIdTable(memory(1), 0, shape, clock);
    for (let i = 1; i <= 5; i++) expect(table.set([i, 0, 0, 0], i)).toBe(true);
    expect(table.set([6, 0, 0, 0], 6)).toBe(false);
    table.set([1, 0, 0, 0], 0);
    expect(table.set([6, 0, 0, 0], 6)).toBe(false);
    clock.pass(GRACE_MS);
    expect(table.set([6, 0, 0, 0], 6)).toBe(true);
    expect([1, 2, 6].map((id) => table.get([id, 0, 0, 0]))).toEqual([0, 2, 6]);
  });

  it('says when the IDs need more rows', () => {
    const list = new RoutedIds(8);
    for (let i = 1; i <= 11; i++) list.add([i, i, 0, 0], i);
    const table = serverIdTable(memory(2), 0, { kind: 'exact', rows: 2 }, new ManualClock());
    expect(table.build(list)).toBe(false);
  });
});

describe('the shape of a table', () => {
  const list = (length: number, count: number, id: (i: number) => Uint8Array) =>
    RoutedIds.from(
      length,
      Array.from({ length: count }, (_, i) => [id(i), i + 1]),
    );
  const random = randomNumbers(7);

  it('is dense where the IDs were handed out densely', () => {
    const dense = list(6, 5000, (i) => Uint8Array.from([9, 8, 7, 6, i >> 8, i & 255]));
    expect(chooseShape(dense)).toMatchObject({ kind: 'dense', indexBits: 13 });
  });

  it('is buckets for IDs that others chose', () => {
    expect(chooseShape(list(8, 5000, () => randomOctets(random, 8))).kind).toBe('exact');
    expect(chooseShape(list(9, 5000, () => randomOctets(random, 9))).kind).toBe('wide');
  });

  it('takes no more rows than serverIdRowsFor says', () => {
    for (const length of [1, 2, 4, 8, 12]) {
      for (const count of [0, 1, 50, 3000]) {
        const some = list(length, Math.min(count, 256 ** length), () =>
          randomOctets(random, length),
        );
        expect(rowsOfShape(chooseShape(some))).toBeLessThanOrEqual(serverIdRowsFor(count, length));
      }
    }
  });
});

describe('a hundred thousand IDs', () => {
  for (const length of [8, 15]) {
    it(`of ${length} octets are built at the usual load, and ten more in a hundred added`, () => {
      const random = randomNumbers(length);
      const count = 100_000;
      const ids = Array.from({ length: count * 1.1 }, () => randomOctets(random, length));
      const first = RoutedIds.from(
        length,
        ids.slice(0, count).map((id) => [id, 1]),
      );
      const table = tableOf(first);
      let misfits = 0;
      for (const id of ids.slice(count)) if (!table.set(wordsOf(id), 2)) misfits++;
      // An ID without a place costs a build, which must be rare.
      expect(misfits).toBeLessThan(count / 1000);
      for (const id of ids.slice(0, count)) if (table.get(wordsOf(id)) !== 1) expect.fail('lost');
    });
  }

  it('are spread evenly over the rows, also when they are numbered', () => {
    const rows = 1000;
    const counts = new Uint32Array(rows);
    for (let i = 0; i < 100_000; i++) for (const row of rowsOf([i, 0, 0, 0], rows)) counts[row]!++;
    expect(Math.max(...counts)).toBeLessThan(300);
    expect(Math.min(...counts)).toBeGreaterThan(100);
  });

  it('fit the shape that is chosen at much higher load, too', () => {
    const random = randomNumbers(3);
    const list = RoutedIds.from(
      8,
      Array.from({ length: 20_000 }, () => [randomOctets(random, 8), 1]),
    );
    const shape = bucketShape(list.length, 8, 0.9);
    const table = serverIdTable(memory(shape.rows), 0, shape, new ManualClock());
    expect(table.build(list)).toBe(true);
  });
});
