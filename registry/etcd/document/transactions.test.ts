// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import type { Atom, KeyChange } from './key-changes.js';
import { transactionsOf } from './transactions.js';

const put = (key: string, value = '{}'): KeyChange => ({ put: key, value });
const atom = (...changes: KeyChange[]): Atom => ({ step: 'ids', changes });

it('makes one transaction of what fits into one, without what a later step overwrites', () => {
  const atoms = [atom(put('a', '1')), atom(put('b')), atom(put('a', '2'))];
  expect(transactionsOf(atoms, 2)).toEqual([[put('a', '2'), put('b')]]);
  expect(transactionsOf([], 2)).toEqual([]);
});

it('keeps an atom in one transaction, and a key once', () => {
  const atoms = [atom(put('a')), atom(put('b'), put('c')), atom(put('a', '2'))];
  expect(transactionsOf(atoms, 2)).toEqual([[put('a')], [put('b'), put('c')], [put('a', '2')]]);
  const repeated = [atom(put('a')), atom(put('a', '2')), atom(put('b'), put('c'))];
  expect(transactionsOf(repeated, 2)).toEqual([[put('a')], [put('a', '2')], [put('b'), put('c')]]);
});

it('parts an atom that is too large, and values that are too large together', () => {
  const large = atom(put('a'), put('b'), put('c'));
  expect(transactionsOf([large], 2)).toEqual([[put('a'), put('b')], [put('c')]]);
  const long = 'x'.repeat(700_000);
  const atoms = [atom(put('a', long)), atom(put('b', long)), atom(put('c'))];
  expect(transactionsOf(atoms).map((all) => all.length)).toEqual([1, 2]);
});
