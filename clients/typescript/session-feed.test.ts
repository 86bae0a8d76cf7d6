// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
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
  };
}

let call: Call;
let feed: SessionFeed;
let usable: boolean;
const onHeard = vi.fn();

beforeEach(() => {
  call = new Call();
  usable = true;
  onHeard.mockClear();
  const nothing = () => {};
  const handlers: FeedHandlers = {
    onIssuedNow: () => usable,
    onBatch: () => true,
    onReissue: nothing,
    onGenerationSeen: nothing,
    onVoid: nothing,
    onHeard,
    onLost: nothing,
    onConnected: nothing,
    onDisconnected: nothing,
    onTrouble: nothing,
  };
  feed = new SessionFeed({
    client: { session: () => call } as unknown as SidecarServiceClient,
    handlers,
    errors: new LinkErrors(undefined, nothing),
    pool: { generation: 1, oldestGeneration: 0 },
    introduction: { clientName: '', instance: new Uint8Array(16), canRetire: true },
    held: undefined,
    onUnknown: nothing,
  });
});
afterEach(() => feed.close());

const FIRST: SessionResponse = { event: { $case: 'hello', value: HELLO } };

it('a hello shows that the CIDs of the pool are good', () => {
  call.emit('data', FIRST);
  expect(onHeard).toHaveBeenCalledOnce();
});

// Else a sidecar whose CIDs have another length would keep those of the pool from falling stale.
it('one that the pool cannot use shows nothing, and ends the Session', () => {
  usable = false;
  call.emit('data', FIRST);
  expect(onHeard).not.toHaveBeenCalled();
  expect(call.cancelled).toBe(true);
});
