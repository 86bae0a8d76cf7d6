// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, test } from 'vitest';
import { leftovers, Scope } from '../netns/scope.js';
import { TARGET4, TARGET6 } from '../system/clients.js';
import { codecOf } from '../system/codec.js';
import { type DocumentConfig, FOUR_PASS, SystemDocument } from '../system/document.js';
import { System } from '../system/system.js';

const CONNECTIONS = 12;
const PLAINTEXT: DocumentConfig = { ...FOUR_PASS, id: 1, encrypted: false };
const SINGLE_PASS: DocumentConfig = {
  ...FOUR_PASS,
  id: 2,
  serverIdLength: 4,
  nonceLength: 12,
};

let scope: Scope;

afterEach(async () => {
  await scope.dispose();
  expect(leftovers(scope.name)).toEqual([]);
});

describe.each([
  ['four pass', FOUR_PASS],
  ['single pass', SINGLE_PASS],
  ['plaintext', PLAINTEXT],
])('routing by CID, %s', (_title, config) => {
  test.each([
    ['IPv4', TARGET4],
    ['IPv6', TARGET6],
  ])('over %s, every connection survives every change', async (_family, target) => {
    scope = new Scope('cdetoe');
    const system = await System.start(scope, { balancers: 2, servers: 3, configs: [config] });
    const { clients } = system;
    await clients.configure({ targets: [target], timeoutMs: 3000, parallel: CONNECTIONS });
    expect(await clients.open(CONNECTIONS)).toBe(CONNECTIONS);
    expect(await clients.rebind(4)).toBe(CONNECTIONS);
    expect(await clients.migrate(2)).toBe(CONNECTIONS);

    // The clients hold CIDs of the config, each of a server of the pool.
    const codec = codecOf(system.document, config);
    const ids = system.servers.map((_, i) => SystemDocument.serverId(config, i));
    for (const cid of await clients.destinationCids()) {
      const decoded = codec.decode(Buffer.from(cid, 'hex'));
      if (!decoded.routable) throw new Error(`${cid} does not decode: ${decoded.reason}`);
      expect(ids).toContain(Buffer.from(decoded.serverId).toString('hex'));
    }

    const [lost, survivor] = system.agents;
    if (lost === undefined || survivor === undefined) throw new Error('no agents');
    await lost.kill();
    await system.topology.cutLink(lost.host);
    expect(await clients.echo()).toBe(CONNECTIONS);
    await survivor.kill();
    expect(await clients.rebind(1)).toBe(CONNECTIONS);
    await survivor.start();
    expect(await clients.rebind(1)).toBe(CONNECTIONS);
    expect(await clients.losses()).toEqual([]);
    for (const { strays } of await system.statistics()) expect(strays).toBe(0);
  });
});
