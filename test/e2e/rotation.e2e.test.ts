// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Scope } from '../netns/scope.js';
import { TARGET4, TARGET6 } from '../system/clients.js';
import { type DocumentConfig, FOUR_PASS } from '../system/document.js';
import { configsInUse, Rotation } from '../system/rotation.js';
import { System } from '../system/system.js';

const CONNECTIONS = 12;
const NEXT: DocumentConfig = { ...FOUR_PASS, id: 1 };
/** Long enough that live connections have traffic between one reissue and the next. */
const REISSUE_SECONDS = 6;

let scope: Scope;
let system: System;

beforeAll(async () => {
  scope = new Scope('cdetoe');
  system = await System.start(scope, {
    balancers: 2,
    servers: 3,
    configs: [FOUR_PASS],
    reissueSeconds: REISSUE_SECONDS,
  });
});

afterAll(() => scope.dispose());

test('live connections move to a new config and key, and none is lost', async () => {
  const { clients } = system;
  await clients.configure({
    targets: [TARGET4, TARGET6],
    timeoutMs: 3000,
    parallel: CONNECTIONS,
  });
  expect(await clients.open(CONNECTIONS)).toBe(CONNECTIONS);
  expect(await inUse()).toEqual([FOUR_PASS.id]);
  await clients.startTraffic(100);

  const rotation = new Rotation(system, NEXT);
  await rotation.stage();
  expect(await inUse()).toEqual([FOUR_PASS.id]);
  await rotation.mint();
  expect(await rotation.moved()).toBe(CONNECTIONS);
  await rotation.finish();
  expect((await clients.stopTraffic()).alive).toBe(CONNECTIONS);
  expect(await clients.rebind(2)).toBe(CONNECTIONS);
  expect(await clients.migrate(1)).toBe(CONNECTIONS);
  expect(await clients.losses()).toEqual([]);
});

test('each connection had its turn once, spread over the time to the deadline', async () => {
  const servers = await system.statistics();
  for (const { open, reissues } of servers) {
    const generations = reissues.map(({ throughGeneration }) => throughGeneration);
    expect(generations).toEqual(new Array(open).fill(generations[0]));
  }
  // Of twelve connections on three servers, at least one server has four.
  const most = servers.reduce((a, b) => (a.reissues.length > b.reissues.length ? a : b));
  const turns = most.reissues.map(({ answered }) => answered);
  const [first = 0, last = 0] = [turns[0], turns.at(-1)];
  // Every connection asks ten times a second, so there are answers between two reissues, which are
  // about a second apart. If all were reissued at once, there would hardly be one.
  expect(new Set(turns).size).toBeGreaterThan(turns.length / 2);
  expect(last - first).toBeGreaterThan(4 * turns.length);
});

async function inUse(): Promise<(number | null)[]> {
  return [...new Set(await configsInUse(system))].sort();
}
