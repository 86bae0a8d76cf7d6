// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';
import { expect, test, vi } from 'vitest';
import { CidecarError } from '../../core/errors.js';
import { addon } from './native.js';
import { ifindex } from './system.js';

vi.mock('./native.js', () => ({ addon: vi.fn() }));

function refusing(errno: number): void {
  const call = () => {
    const failure = { call: 'if_nametoindex', errno, subject: 'lo', log: '' };
    throw Object.assign(new Error('lo: if_nametoindex'), failure);
  };
  vi.mocked(addon).mockReturnValue({ ifindex: call } as unknown as ReturnType<typeof addon>);
}

function codeOf(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error instanceof CidecarError ? error.code : error;
  }
}

test('an addon that is missing is no missing interface', () => {
  const missing = new Error('Cannot find module');
  vi.mocked(addon).mockImplementation(() => {
    throw missing;
  });
  expect(codeOf(() => ifindex('lo'))).toBe(missing);
});

test.each([
  ['ENODEV', constants.errno.ENODEV, 'INTERFACE_UNKNOWN'],
  ['ENXIO', constants.errno.ENXIO, 'INTERFACE_UNKNOWN'],
  ['EMFILE', constants.errno.EMFILE, 'KERNEL_CALL_FAILED'],
])('%s of a look for an interface', (_, errno, code) => {
  refusing(errno);
  expect(codeOf(() => ifindex('lo'))).toBe(code);
});
