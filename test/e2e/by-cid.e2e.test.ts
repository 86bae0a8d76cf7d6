// SPDX-License-Identifier: Apache-2.0
import { afterEach, expect, test } from 'vitest';
import { leftovers, Scope } from '../netns/scope.js';
import { TARGET4, TARGET6 } from '../system/clients.js';
import { codecOf } from '../system/codec.js';
import { outcomesOf } from '../system/counters.js';
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

test.each([
  ['four pass', 4, FOUR_PASS],
  ['four pass', 6, FOUR_PASS],
  ['single pass', 4, SINGLE_PASS],
  ['plaintext', 6, PLAINTEXT],
] as const)(
  '%s, tunnels over IPv%s: every connection survives every change',
  async (_title, family, config) => {
    scope = new Scope('cdetoe');
    const system = await System.start(scope, {
      balancers: 2,
      servers: 3,
      configs: [config],
      tunnelFamily: family,
    });
    const { clients } = system;
    await clients.configure({
      targets: [TARGET4, TARGET6],
      timeoutMs: 3000,
      parallel: CONNECTIONS,
    });
    expect(await clients.open(CONNECTIONS)).toBe(CONNECTIONS);
    expect(await clients.rebind(4)).toBe(CONNECTIONS);
    expect(await clients.migrate(2)).toBe(CONNECTIONS);

    // Clients hold CIDs of the config, and each CID names a server of the pool.
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
    // Packets go by CID once a client knows one, and nothing is dropped.
    const outcomes = outcomesOf(await survivor.status());
    const { cid = 0, flow = 0, ring = 0, not_vip: _, not_ip: __, ...others } = outcomes;
    expect(others).toEqual({});
    expect(cid).toBeGreaterThan(flow + ring);
    for (const { strays } of await system.statistics()) expect(strays).toBe(0);
  },
);
