// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { mayBeOnOlder, olderForOthers } from './older-use.js';

const none = { connections: 0, complete: true };

it('a config is in use until the time of a reissue is over', () => {
  expect(mayBeOnOlder({ sinceMs: 99, reissueWithin: 100, older: none })).toBe(true);
  expect(mayBeOnOlder({ sinceMs: 100, reissueWithin: 100, older: none })).toBe(false);
  expect(mayBeOnOlder({ sinceMs: 100, reissueWithin: 100, older: undefined })).toBe(false);
});

it('a connection that a client counts keeps it in use after that (OLDER_GONE)', () => {
  for (const complete of [true, false]) {
    const older = { connections: 1, complete };
    expect(mayBeOnOlder({ sinceMs: 1e9, reissueWithin: 100, older })).toBe(true);
  }
  // Clients of IssueStream cannot count.
  const older = { connections: 0, complete: false };
  expect(mayBeOnOlder({ sinceMs: 100, reissueWithin: 100, older })).toBe(false);
});

it('others see a number of one digit, or that it is not known', () => {
  expect(olderForOthers(undefined)).toBeNull();
  expect(olderForOthers({ connections: 0, complete: false })).toBeNull();
  expect(olderForOthers(none)).toBe(0);
  const seen = [1, 9, 10, 11, 123, 1000, 9999].map((connections) => {
    return olderForOthers({ connections, complete: connections !== 11 });
  });
  expect(seen).toEqual([1, 9, 10, 20, 200, 1000, 10_000]);
});
