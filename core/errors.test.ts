// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import {
  CidecarError,
  describeError,
  ERROR_CATALOGUE,
  exitCodeFor,
  exitCodeForDaemon,
} from './errors.js';

describe('an error', () => {
  it.each([
    [{ file: 'a.yaml', line: 3, field: 'pools.web' }, 'a.yaml:3: pools.web: '],
    [{ file: 'a.yaml' }, 'a.yaml: '],
    [{ field: 'key' }, 'key: '],
    // A line of no file would be read as a name.
    [{ line: 3 }, ''],
    [{}, ''],
  ])('says where: %j', (place, where) => {
    const error = new CidecarError('KEY_INVALID', 'it has 15 octets', place);
    expect(error.describe()).toBe(
      `${where}it has 15 octets (KEY_INVALID). ${ERROR_CATALOGUE.KEY_INVALID}`,
    );
    expect(describeError(error)).toBe(error.describe());
  });

  it('that nobody expected says where in the program it arose', () => {
    expect(describeError(new TypeError('oops'))).toMatch(/TypeError: oops\n\s+at /);
    expect(describeError('oops')).toBe('oops');
  });

  it.each([
    [new CidecarError('DOCUMENT_INVALID', ''), 2],
    [new CidecarError('FILE_UNREADABLE', ''), 1],
    [new CidecarError('INTERFACE_UNKNOWN', ''), 1],
    [new CidecarError('INTERFACE_WITHOUT_ADDRESS', ''), 1],
    [new CidecarError('KEY_INVALID', ''), 2],
    [new CidecarError('KERNEL_PERMISSION', ''), 1],
    [new CidecarError('STATE_CORRUPT', ''), 2],
    [new CidecarError('STATE_LOCKED', ''), 1],
    [new CidecarError('STATE_UNWRITABLE', ''), 1],
    [new CidecarError('SOCKET_BUSY', ''), 1],
    [new TypeError(''), 1],
  ])('ends a program with 2 for bad input, 1 for all else (%#)', (error, code) => {
    expect(exitCodeFor(error)).toBe(code);
  });

  it('ends a daemon with 1 for a key file that may be half-written, if nothing else is wrong', () => {
    class Several extends CidecarError {
      readonly #parts: readonly CidecarError[];

      constructor(parts: readonly CidecarError[]) {
        super('DOCUMENT_INVALID', '');
        this.#parts = parts;
      }

      override get parts(): readonly CidecarError[] {
        return this.#parts;
      }
    }
    const several = (...parts: CidecarError[]) => new Several(parts);
    const key = new CidecarError('KEY_INVALID', '');
    const field = new CidecarError('DOCUMENT_INVALID', '');
    expect(exitCodeForDaemon(key)).toBe(1);
    expect(exitCodeForDaemon(several(key))).toBe(1);
    expect(exitCodeForDaemon(several(key, field))).toBe(2);
    expect(exitCodeForDaemon(new CidecarError('STATE_LOCKED', ''))).toBe(1);
  });
});
