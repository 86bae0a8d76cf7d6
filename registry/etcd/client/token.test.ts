// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { Token } from './token.js';

function counted(fails: readonly number[] = []) {
  const state = { logins: 0, pauses: 0 };
  const token = new Token(
    async () => {
      state.logins += 1;
      if (fails.includes(state.logins)) throw new Error('refused');
      return `token ${state.logins}`;
    },
    () => {
      state.pauses += 1;
      return 0;
    },
  );
  return { state, token };
}

test('one login serves all who ask meanwhile and later', async () => {
  const { state, token } = counted();
  const many = await Promise.all(Array.from({ length: 20 }, () => token.get()));
  expect(new Set(many)).toEqual(new Set(['token 1']));
  expect(await token.get()).toBe('token 1');
  expect(state).toEqual({ logins: 1, pauses: 0 });
});

test('a token that etcd did not take is replaced once, after a pause', async () => {
  const { state, token } = counted();
  const old = await token.get();
  token.discard(old);
  expect(await token.get()).toBe('token 2');
  // The news of the old one comes late.
  token.discard(old);
  expect(await token.get()).toBe('token 2');
  expect(state).toEqual({ logins: 2, pauses: 1 });
});

test('a login that failed is tried again, after a pause', async () => {
  const { state, token } = counted([1]);
  await expect(token.get()).rejects.toThrow('refused');
  expect(await token.get()).toBe('token 2');
  expect(state.pauses).toBe(1);
});
