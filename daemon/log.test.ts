// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { CidecarError, Secret } from '../core/index.js';
import { loggedError } from './log.js';

it('logs an error of ours with its code and what to do, and no stack', () => {
  const error = new CidecarError('SOCKET_BUSY', 'a process listens here', { file: 'lb.sock' });
  expect(loggedError(error)).toEqual({ code: 'SOCKET_BUSY', text: error.describe() });
});

it('logs any other error, which is a bug, with its stack', () => {
  const error = new TypeError('x is not a function');
  expect(loggedError(error)).toEqual({
    text: 'x is not a function',
    stack: expect.stringContaining('log.test.ts'),
  });
  expect(loggedError('thrown')).toEqual({ text: 'thrown' });
});

it('does not log what is secret', () => {
  const key = new Secret(Buffer.from('00112233445566778899aabbccddeeff', 'hex'));
  expect(JSON.stringify(loggedError(new Error(`bad key ${key}`)))).not.toContain('0011');
});
