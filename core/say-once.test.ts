// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { CidecarError } from './errors.js';
import { SayOnce } from './say-once.js';

it('takes for news what differs from what was said last', () => {
  const once = new SayOnce();
  expect(['a', 'a', 'b', 'a'].map((text) => once.isNews(text))).toEqual([true, false, true, true]);
});

it('takes what comes after the end for news, and knows whether there was something to end', () => {
  const once = new SayOnce();
  expect(once.over()).toBe(false);
  once.isNews('a');
  expect(once.over()).toBe(true);
  expect(once.over()).toBe(false);
  expect(once.isNews('a')).toBe(true);
});

it('knows an error by its code, place and text', () => {
  const once = new SayOnce();
  const error = (file: string) => new CidecarError('FILE_UNREADABLE', 'is a folder', { file });
  expect(once.isNews(error('a'))).toBe(true);
  expect(once.isNews(error('a'))).toBe(false);
  expect(once.isNews(error('b'))).toBe(true);
  expect(once.isNews(new TypeError('x is undefined'))).toBe(true);
  expect(once.isNews(new TypeError('x is undefined'))).toBe(false);
});

it('keeps topics apart, and forgets those of which nothing is said any more', () => {
  const once = new SayOnce();
  expect(once.isNews('web-1', 'no route')).toBe(true);
  expect(once.isNews('web-1', 'no answer')).toBe(true);
  once.retain(['no answer']);
  expect(once.isNews('web-1', 'no answer')).toBe(false);
  expect(once.isNews('web-1', 'no route')).toBe(true);
});
