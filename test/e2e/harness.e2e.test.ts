// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, test } from 'vitest';
import { leftovers, Scope } from '../netns/scope.js';
import { TARGET4, TARGET6 } from '../system/clients.js';
import { System } from '../system/system.js';

// Tests the tools of the other tests, without a sidecar or a balancer: what they report must be
// true when connections live and when they die.
const CONNECTIONS = 12;
const FLEET = { targets: [TARGET4, TARGET6], timeoutMs: 1500, parallel: CONNECTIONS };

let scope: Scope;

afterEach(() => scope.dispose());

describe('QUIC clients and servers without balancers', () => {
  test('with one server, connections survive rebinds and migrations', async () => {
    scope = new Scope('cdetoe');
    const { clients, ...system } = await System.start(scope, {
      balancers: 0,
      servers: 1,
      configs: [],
    });
    await clients.configure(FLEET);
    expect(await clients.open(CONNECTIONS)).toBe(CONNECTIONS);
    const before = await clients.destinationCids();
    expect(await clients.rebind(3)).toBe(CONNECTIONS);
    expect(await clients.destinationCids()).toHaveLength(CONNECTIONS);
    expect(await clients.migrate(2)).toBe(CONNECTIONS);
    const after = await clients.destinationCids();
    expect(after.filter((cid) => before.includes(cid))).toEqual([]);
    const [server] = system.servers;
    expect(await server?.statistics()).toMatchObject({ accepted: CONNECTIONS, strays: 0 });
  });

  test('with three servers behind ECMP, rebinds lose connections', async () => {
    scope = new Scope('cdetoe');
    const system = await System.start(scope, { balancers: 0, servers: 3, configs: [] });
    const { clients } = system;
    await clients.configure(FLEET);
    expect(await clients.open(CONNECTIONS)).toBe(CONNECTIONS);
    // A connection survives three rebinds with a chance of 1 in 27.
    expect(await clients.rebind(3)).toBeLessThan(CONNECTIONS / 2);
    const strays = (await system.statistics()).reduce((sum, server) => sum + server.strays, 0);
    expect(strays).toBeGreaterThan(0);
    expect(await clients.losses()).not.toEqual([]);
  });

  test('nothing is left on the machine', async () => {
    scope = new Scope('cdetoe');
    await System.start(scope, { balancers: 0, servers: 1, configs: [] });
    expect(leftovers(scope.name)).not.toEqual([]);
    await scope.dispose();
    expect(leftovers(scope.name)).toEqual([]);
  });
});
