// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { CidecarError, exitCodeFor } from '../../core/index.js';
import { DocumentError } from './document-error.js';

const missing = new CidecarError('FILE_UNREADABLE', 'key file a.key does not exist');
const bad = new CidecarError('DOCUMENT_INVALID', 'has no pools');

it.each([
  ['a key file that may still come', [missing], 1],
  ['several of them', [missing, missing], 1],
  ['what only a person can correct', [bad], 2],
  ['both, whichever comes first', [missing, bad], 2],
  ['both, the other way round', [bad, missing], 2],
] as const)('ends a program by %s', (_, errors, code) => {
  expect(exitCodeFor(new DocumentError(errors))).toBe(code);
});
