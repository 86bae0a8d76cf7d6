// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { shrink } from './shrink.js';

const letters = [...'abcdefghijklmnop'];
const has = (wanted: string) => async (history: readonly string[]) =>
  [...wanted].every((each) => history.includes(each));

it('leaves out what a failure does not need', async () => {
  expect(await shrink(letters, has('ck'), 200)).toEqual(['c', 'k']);
  expect(await shrink(letters, has('abcdefghijklmnop'), 200)).toEqual(letters);
});

it('tries no more than it may', async () => {
  let tried = 0;
  const fails = (history: readonly string[]) => {
    tried += 1;
    return has('ck')(history);
  };
  const shorter = await shrink(letters, fails, 5);
  expect(tried).toBe(5);
  expect(shorter).toEqual(expect.arrayContaining(['c', 'k']));
  expect(shorter.length).toBeLessThan(letters.length);
});
