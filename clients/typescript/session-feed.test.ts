// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CidecarError } from '../../core/index.js';
import type { SessionResponse, SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';
import type { FeedHandlers } from './feed.js';
import { LinkErrors } from './link-errors.js';
import { SessionFeed } from './session-feed.js';
import { HELLO } from './testing/hello.js';

class Call extends EventEmitter {
  cancelled = false;
  write = () => true;
  cancel = () => {
    this.cancelled = true;
    this.emit('error', Object.assign(new Error('cancelled'), { code: status.CANCELLED }));
  };
}

let calls: number;
let feed: SessionFeed;
let call: Call;
let usable: boolean;
const onHeard = vi.fn();
const onConnected = vi.fn();
const onDisconnected = vi.fn();
const onTrouble = vi.fn();

beforeEach(() => {
  calls = 0;
  usable = true;
  vi.clearAllMocks();
  vi.useFakeTimers();
  const nothing = () => {};
  const handlers: FeedHandlers = {
    onIssuedNow: () => (usable ? undefined : new CidecarError('CONFIG_UNUSABLE', 'another length')),
    onBatch: () => undefined,
    onReissue: nothing,
    onGenerationSeen: nothing,
    onVoid: nothing,
    onHeard,
    onLost: nothing,
    onConnected,
    onDisconnected,
    onTrouble: nothing,
  };
  const session = () => {
    calls += 1;
    call = new Call();
    return call;
  };
  feed = new SessionFeed({
    client: { session } as unknown as SidecarServiceClient,
    handlers,
    errors: new LinkErrors(undefined, onTrouble),
    pool: { generation: 1, oldestGeneration: 0 },
    introduction: { clientName: '', instance: new Uint8Array(16), canRetire: true },
    held: undefined,
    onUnknown: nothing,
  });
});
afterEach(() => {
  feed.close();
  vi.useRealTimers();
});

const FIRST: SessionResponse = { event: { $case: 'hello', value: HELLO } };

it('a hello shows that the CIDs of the pool are good', () => {
  call.emit('data', FIRST);
  expect(onHeard).toHaveBeenCalledOnce();
});

// Else a sidecar whose CIDs have another length would keep those of the pool from falling stale.
it('one that the pool cannot use shows nothing, and ends the Session', () => {
  const first = call;
  usable = false;
  call.emit('data', FIRST);
  expect(onHeard).not.toHaveBeenCalled();
  expect(first.cancelled).toBe(true);
});

it('one that the pool cannot use is told once, and is no connection', () => {
  usable = false;
  for (let each = 1; each <= 5; each += 1) {
    expect(calls).toBe(each);
    call.emit('data', FIRST);
    vi.advanceTimersByTime(500);
  }
  expect(onTrouble.mock.calls.map(([{ message }]) => message)).toEqual(['another length']);
  expect(onConnected).not.toHaveBeenCalled();
  expect(onDisconnected).not.toHaveBeenCalled();
  expect(feed.lastError?.message).toBe('another length');
});

it('a sidecar that says no hello for 10 s is given up', () => {
  const first = call;
  vi.advanceTimersByTime(9_999);
  expect(first.cancelled).toBe(false);
  vi.advanceTimersByTime(1);
  expect(first.cancelled).toBe(true);
  expect(onTrouble).toHaveBeenCalledOnce();
  expect(feed.lastError?.message).toMatch(/no hello within 10 s/);
  vi.advanceTimersByTime(500);
  expect(calls).toBe(2);
});

it('one that said it in time is kept', () => {
  call.emit('data', FIRST);
  vi.advanceTimersByTime(60_000);
  expect(call.cancelled).toBe(false);
});
