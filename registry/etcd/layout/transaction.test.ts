// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { get, nested, put, remove, withPrefix } from '../client/operations.js';
import { Keys } from './keys.js';
import { transaction } from './transaction.js';

const keys = new Keys();
const server = put(keys.server('a', 'b'), '{}');
const revision = put(keys.revision, '{"by":"me"}');

it('writes the revision with every change of the desired state', () => {
  for (const change of [server, remove(keys.id('a', 0, '00')), remove(withPrefix(keys.desired))]) {
    expect(transaction(keys, 'me', { success: [change] }).success).toEqual([change, revision]);
    expect(transaction(keys, 'me', { failure: [change] }).failure).toEqual([change, revision]);
  }
});

it('does not write it with anything else', () => {
  const all = [put(keys.ack('lb-1'), '0'), get(withPrefix(keys.pools))];
  expect(transaction(keys, 'me', { success: all }).success).toEqual(all);
});

it('writes it once, and in the branch that makes the change', () => {
  const inner = nested(transaction(keys, 'me', { success: [server] }));
  const outer = transaction(keys, 'me', { failure: [inner] });
  expect(outer).toEqual({ when: [], success: [], failure: [inner] });
  const { success } = transaction(keys, 'me', { success: [server, revision] });
  expect(success).toEqual([server, revision]);
});
