// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Scope } from '../netns/scope.js';
import { TARGET4, TARGET6 } from '../system/clients.js';
import { codecOf } from '../system/codec.js';
import { type DocumentConfig, FOUR_PASS } from '../system/document.js';
import { SidecarApi } from '../system/sidecar-api.js';
import { System } from '../system/system.js';

const CONNECTIONS = 12;
const NEXT: DocumentConfig = { ...FOUR_PASS, id: 1 };

let scope: Scope;
let system: System;
let sidecars: SidecarApi[] = [];

beforeAll(async () => {
  scope = new Scope('cdetoe');
  system = await System.start(scope, { balancers: 2, servers: 3, configs: [FOUR_PASS] });
  sidecars = system.sidecars.map(({ socket }) => new SidecarApi(socket));
});

afterAll(async () => {
  for (const sidecar of sidecars) sidecar.close();
  await scope.dispose();
});

test('live connections move to a new config and key, and none is lost', async () => {
  const { clients, document } = system;
  await clients.configure({
    targets: [TARGET4, TARGET6],
    timeoutMs: 3000,
    parallel: CONNECTIONS,
  });
  expect(await clients.open(CONNECTIONS)).toBe(CONNECTIONS);
  expect(await configsInUse()).toEqual([FOUR_PASS.id]);
  await clients.startTraffic(100);

  document.update([FOUR_PASS, { ...NEXT, state: 'staged' }]);
  await everywhereInForce();
  expect(await configsInUse()).toEqual([FOUR_PASS.id]);

  document.update([{ ...FOUR_PASS, state: 'retiring' }, NEXT]);
  await everywhereInForce();
  await expect.poll(configsInUse, { timeout: 30_000 }).toEqual([NEXT.id]);

  document.update([NEXT]);
  await everywhereInForce();
  expect((await clients.stopTraffic()).alive).toBe(CONNECTIONS);
  expect(await clients.rebind(2)).toBe(CONNECTIONS);
  expect(await clients.migrate(1)).toBe(CONNECTIONS);
  expect(await clients.losses()).toEqual([]);
});

/** Which configs the CIDs belong to that clients send to now. */
async function configsInUse(): Promise<number[]> {
  const cids = await system.clients.destinationCids();
  const codecs = system.document.configs.map((config) => codecOf(system.document, config));
  const ids = cids.map((cid) => {
    const octets = Buffer.from(cid, 'hex');
    const decoded = codecs.map((codec) => codec.decode(octets)).find((each) => each.routable);
    if (decoded === undefined || !decoded.routable) throw new Error(`${cid} does not decode`);
    return decoded.configId;
  });
  return [...new Set(ids)].sort();
}

/** Waits until every daemon works by the document as it is now. */
async function everywhereInForce(): Promise<void> {
  const wanted = system.document.configs.map(({ id, state }) => `${id} ${state}`).sort();
  for (const sidecar of sidecars) {
    await expect
      .poll(
        async () =>
          (await sidecar.status()).configs
            .map(({ configId, state }) => `${configId} ${state}`)
            .sort(),
        { timeout: 15_000 },
      )
      .toEqual(wanted);
  }
  for (const agent of system.agents) await agent.untilConfigs(wanted);
}
