// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Change } from '../client/index.js';
import { ChangeLooks } from './change-looks.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function put(key: string): Change {
  const of = { createRevision: 1, modRevision: 1, version: 1, lease: '0' };
  return { kind: 'put', entry: { key, value: Buffer.alloc(0), ...of } };
}

function opened() {
  const counted = { looks: 0 };
  const looks = new ChangeLooks('/v1/acks/', () => {
    counted.looks += 1;
  });
  return { looks, counted };
}

test('acknowledgements of many agents are looked at together', () => {
  const { looks, counted } = opened();
  for (let i = 0; i < 50; i += 1) looks.see([put(`/v1/acks/lb-${i}`)]);
  expect(counted.looks).toBe(0);
  vi.runAllTimers();
  expect(counted.looks).toBe(1);
  looks.see([put('/v1/acks/lb-1')]);
  vi.runAllTimers();
  expect(counted.looks).toBe(2);
});

test.each<[string, readonly Change[] | undefined]>([
  ['a request', [put('/v1/requests/web/web-1')]],
  ['an acknowledgement with something else', [put('/v1/acks/lb-1'), put('/v1/live/agents/lb-1')]],
  ['an acknowledgement that is gone', [{ kind: 'removed', key: '/v1/acks/lb-1' }]],
  ['the first view', undefined],
])('%s is looked at at once', (_, changes) => {
  const { looks, counted } = opened();
  looks.see([put('/v1/acks/lb-2')]);
  looks.see(changes);
  expect(counted.looks).toBe(1);
  // That look was at the acknowledgement too.
  vi.runAllTimers();
  expect(counted.looks).toBe(1);
});

test('nothing is looked at any more when it is closed', () => {
  const { looks, counted } = opened();
  looks.see([put('/v1/acks/lb-1')]);
  looks.close();
  vi.runAllTimers();
  expect(counted.looks).toBe(0);
});
