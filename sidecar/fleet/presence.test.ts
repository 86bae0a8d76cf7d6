// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import type { EtcdClient, KeyValue } from '../../registry/etcd/client/index.js';
import { Keys, valueText } from '../../registry/etcd/layout/index.js';
import { Presence } from './presence.js';

const own = { identity: 'a0000000-0000-4000-8000-000000000001', host: 'host-1' };
const other = { identity: 'b0000000-0000-4000-8000-000000000002', host: 'host-2' };
const says = { issuing: null, waitingFor: [], older: {} };

function entry(key: string, of: typeof own): KeyValue {
  const value = Buffer.from(valueText({ ...of, ...says }));
  return { key, value, createRevision: 5, modRevision: 5, version: 1, lease: '2' };
}

test('a server is its own when that stands in etcd, and not when a look found nobody', async () => {
  const keys = new Keys('/cidecar/');
  const key = keys.liveServer('web', 'web-1');
  let stands: KeyValue | undefined;
  const txn = vi.fn(async () => {
    // The other host came between the look and this.
    stands = entry(key, other);
    return { held: false, revision: 5, results: [] };
  });
  const client = {
    lease: () => ({ id: '1', revoke: async () => undefined }),
    kv: { get: async () => stands, txn },
  };
  const onOwner = vi.fn();
  const presence = new Presence({
    ...{ client: client as unknown as EtcdClient, keys, pool: 'web', server: 'web-1', ttl: 10 },
    ...{ log: pino({ enabled: false }), value: () => ({ ...own, ...says }), onOwner },
  });
  presence.say();
  await vi.waitFor(() => expect(txn).toHaveBeenCalledOnce());
  await new Promise(setImmediate);
  expect(presence.isKnown).toBe(false);
  expect(onOwner).not.toHaveBeenCalled();
  presence.say();
  await vi.waitFor(() => expect(onOwner).toHaveBeenCalledOnce());
  expect(presence.fenced).toContain('host-2');
  await presence.close();
});
