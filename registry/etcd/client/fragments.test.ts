// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import {
  type Event,
  Event_EventType,
  type WatchResponse,
} from '../../../proto/gen/etcdserverpb/etcd.js';
import { Fragments } from './fragments.js';

const event: Event = { type: Event_EventType.PUT };
const message = (fragment: boolean): WatchResponse => ({
  watchId: 0,
  created: false,
  canceled: false,
  compactRevision: 0,
  cancelReason: '',
  fragment,
  events: [event],
});

test('nothing counts before the last fragment, and each message counts once', () => {
  const fragments = new Fragments();
  expect(fragments.add(message(false))).toHaveLength(1);
  expect(fragments.add(message(true))).toBeUndefined();
  expect(fragments.add(message(true))).toBeUndefined();
  expect(fragments.add(message(false))).toHaveLength(3);
  expect(fragments.add(message(false))).toHaveLength(1);
});
