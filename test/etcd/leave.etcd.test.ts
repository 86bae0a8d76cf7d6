// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import { Keys } from '../../registry/etcd/layout/index.js';
import { putPool } from './fleet-document.js';
import { Members } from './members.js';
import { Registrants } from './registrants.js';
import { TestAgent } from './test-agent.js';
import { until } from './until.js';

// A server with more IDs than one transaction puts to rest.

const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);
const IDS = 120;

let members: Members;
let client: EtcdClient;
let scratch: string;
let agent: TestAgent | undefined;
let registrants: Registrants;
beforeEach(async () => {
  members = await Members.start();
  client = members.client();
  scratch = mkdtempSync('/dev/shm/cidecar-leave-');
  registrants = new Registrants(members.endpoints, PREFIX);
});
afterEach(async () => {
  await registrants.close();
  await agent?.stop();
  rmSync(scratch, { recursive: true, force: true });
  await members.dispose();
});

const count = async (prefix: string) => (await client.kv.list(prefix)).entries.length;

test('leaves with all of them while the pool has a controller', async () => {
  await putPool(client, { configs: ['minting'], allocation: { idsPerServer: IDS } });
  const { endpoints } = members;
  agent = await TestAgent.start({ endpoints, prefix: PREFIX, agent: 'lb-1', folder: scratch });
  await until('there is a controller', async () => {
    return (await client.kv.get(keys.controller('web'))) !== undefined;
  });
  const registration = registrants.begin('web-1', registrants.registry());
  await registration.ready();
  await until('it has its IDs', async () => (await count(keys.ids('web'))) === IDS);
  await registration.deregister();
  expect(await client.kv.get(keys.request('web', 'web-1'))).toBeUndefined();
  expect(await count(keys.ids('web'))).toBe(0);
  expect(await count(keys.rest('web'))).toBe(IDS);
});
