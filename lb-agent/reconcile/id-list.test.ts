// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../core/index.js';
import { difference, IdList } from './id-list.js';

const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { maxLength: 300 });

function listOf(values: readonly number[]): IdList {
  return IdList.of(values.map((value) => Uint8Array.of(value >> 8, value & 255)));
}

function hexOf(values: readonly number[]): string[] {
  return values.map((value) => value.toString(16).padStart(4, '0')).sort();
}

describe('difference', () => {
  it('is that of sets, whatever the order of the lists', () => {
    fc.assert(
      fc.property(numbers, numbers, fc.boolean(), (a, b, edit) => {
        // Either two lists that have nothing to do with each other, or an edited one.
        const other = edit ? [...b.slice(0, 3), ...a.filter((value) => value % 50 !== 7)] : b;
        const after = [...new Set(other)];
        const { removed, added } = difference(listOf(a), listOf(after));
        expect(removed.map(toHex).sort()).toEqual(hexOf(a.filter((v) => !after.includes(v))));
        expect(added.map(toHex).sort()).toEqual(hexOf(after.filter((v) => !a.includes(v))));
      }),
    );
  });
});
