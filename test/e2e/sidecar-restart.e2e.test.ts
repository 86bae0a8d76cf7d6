// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Scope } from '../netns/scope.js';
import { TARGET4, TARGET6 } from '../system/clients.js';
import { codecOf } from '../system/codec.js';
import { FOUR_PASS } from '../system/document.js';
import { SidecarApi } from '../system/sidecar-api.js';
import { System } from '../system/system.js';

const CONNECTIONS = 12;

let scope: Scope;
let system: System;

beforeAll(async () => {
  scope = new Scope('cdetoe');
  system = await System.start(scope, { balancers: 2, servers: 3, configs: [FOUR_PASS] });
});

afterAll(() => scope.dispose());

test('without sidecars, connections live and begin; restarted ones go on without a repeat', async () => {
  const { clients } = system;
  await clients.configure({ targets: [TARGET4, TARGET6], timeoutMs: 3000, parallel: CONNECTIONS });
  expect(await clients.open(CONNECTIONS)).toBe(CONNECTIONS);
  for (const sidecar of system.sidecars) await sidecar.kill();

  expect(await clients.rebind(1)).toBe(CONNECTIONS);
  // New connections use CIDs of the servers' pools.
  expect(await clients.open(CONNECTIONS)).toBe(2 * CONNECTIONS);
  expect(await clients.migrate(1)).toBe(2 * CONNECTIONS);

  for (const sidecar of system.sidecars) sidecar.start();
  for (const { socket } of system.sidecars) {
    const api = new SidecarApi(socket);
    const serving = async () => {
      try {
        const { serving, streams } = await api.status();
        return serving && streams > 0;
      } catch {
        return false; // It has not started yet.
      }
    };
    await expect.poll(serving, { timeout: 120_000 }).toBe(true);
    api.close();
  }
  expect(await clients.open(CONNECTIONS)).toBe(3 * CONNECTIONS);
  expect(await clients.rebind(2)).toBe(3 * CONNECTIONS);
  expect(await clients.migrate(1)).toBe(3 * CONNECTIONS);
  const cids = await clients.destinationCids();
  const codec = codecOf(system.document, FOUR_PASS);
  expect(cids.filter((cid) => !codec.decode(Buffer.from(cid, 'hex')).routable)).toEqual([]);
  expect(new Set(cids).size).toBe(cids.length);
});
