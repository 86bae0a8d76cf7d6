// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Scope } from '../netns/scope.js';
import { TARGET4, TARGET6 } from '../system/clients.js';
import { type DocumentConfig, FOUR_PASS } from '../system/document.js';
import { System } from '../system/system.js';

const CONNECTIONS = 12;
const NEXT: DocumentConfig = { ...FOUR_PASS, id: 1 };
const LIFETIME_SECONDS = 2;

let scope: Scope;
let system: System;

beforeAll(async () => {
  scope = new Scope('cdetoe');
  system = await System.start(scope, {
    balancers: 2,
    servers: 3,
    configs: [FOUR_PASS],
    cidLifetimeSeconds: LIFETIME_SECONDS,
  });
});

afterAll(() => scope.dispose());

test('connections of servers that were cut off outlive a rotation that these do not hear of', async () => {
  const { clients, sidecars, agents, document } = system;
  await clients.configure({ targets: [TARGET4, TARGET6], timeoutMs: 3000, parallel: CONNECTIONS });
  for (const sidecar of sidecars) await sidecar.kill();
  await sleep(2 * LIFETIME_SECONDS * 1000);
  // The servers have thousands of CIDs in stock, all of the config that is about to go.
  expect(await clients.open(CONNECTIONS)).toBe(CONNECTIONS);
  const first = (await clients.destinationCids()).map((cid) =>
    Number.parseInt(cid.slice(0, 2), 16),
  );
  expect(first.filter((octet) => octet >> 5 !== 0b111)).toEqual([]);

  document.update([{ ...NEXT, state: 'minting' }]);
  for (const agent of agents) await agent.untilConfigs([`${NEXT.id} minting`]);
  expect(await clients.echo()).toBe(CONNECTIONS);
  expect(await clients.losses()).toEqual([]);
});
