// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Status } from '../../lb-agent/observe/status.js';
import { ipBatch } from '../netns/command.js';
import { leftovers, Scope } from '../netns/scope.js';
import { VIP4, VIP6 } from '../netns/topology.js';
import { TARGET4, TARGET6 } from '../system/clients.js';
import { FOUR_PASS } from '../system/document.js';
import { System } from '../system/system.js';

const SERVERS = 4;
const CONNECTIONS = 24;

let scope: Scope;
let system: System;

beforeEach(() => {
  scope = new Scope('cdetoe');
});

afterEach(async () => {
  await scope.dispose();
  expect(leftovers(scope.name)).toEqual([]);
});

async function start(health: object, more: { tunnelFamily?: 4 | 6 } = {}): Promise<void> {
  system = await System.start(scope, {
    ...{ balancers: 1, servers: SERVERS, configs: [FOUR_PASS] },
    ...{ health: { check: 'quic', ...health }, ...more },
  });
  await configure();
}

/** Clients anew, without connections. */
async function configure(): Promise<void> {
  await system.clients.configure({
    ...{ targets: [TARGET4, TARGET6], timeoutMs: 5_000, parallel: CONNECTIONS },
  });
}

function status(): Promise<Status> {
  const [agent] = system.agents;
  if (agent === undefined) throw new Error('there is no agent');
  return agent.status();
}

/** Waits for a status, and says how long that took; nothing depends on it. */
async function until(what: string, holds: (status: Status) => boolean): Promise<Status> {
  const begun = performance.now();
  for (;;) {
    const found = await status();
    if (holds(found)) {
      process.stderr.write(`${what}: ${(performance.now() - begun).toFixed(0)} ms\n`);
      return found;
    }
    if (performance.now() - begun > 60_000) {
      throw new Error(`${what}: ${JSON.stringify([found.unhealthy, found.suspectChecks])}
${system.agents[0]?.tail(40)}`);
    }
    await sleep(50);
  }
}

const out = ({ unhealthy }: Status) =>
  unhealthy.filter((each) => each.out).map(({ server }) => server);
const allUp = ({ unhealthy }: Status) => unhealthy.length === 0;
const outIs = (name: string) => (found: Status) => out(found).join() === name;
const reasonOf = ({ unhealthy }: Status) => unhealthy.map(({ reason }) => reason).join();

function server(index: number) {
  const [process, host, sidecar] = [
    system.servers[index],
    system.topology.servers[index],
    system.sidecars[index],
  ];
  if (process === undefined || host === undefined || sidecar === undefined) {
    throw new RangeError(`no server ${index}`);
  }
  return { process, host, sidecar };
}

/** New connections come up everywhere, and none is lost. */
async function openAnew(): Promise<void> {
  await configure();
  expect(await system.clients.open(CONNECTIONS)).toBe(CONNECTIONS);
  expect(await system.clients.losses()).toEqual([]);
}

test('a server that dies takes no new connection, and why is told; when it is back it does', async () => {
  await start({});
  await until('all are up', allUp);
  await openAnew();

  const dead = server(0);
  await dead.process.kill();
  const killed = await until('killed process', outIs(dead.host.name));
  expect(reasonOf(killed)).toMatch(/nothing listens on port 443 \(ICMP\)/);
  await openAnew();
  await dead.process.start();
  await until('started again', allUp);

  const { host } = server(1);
  await ipBatch(host.namespace, [`addr del ${VIP6}/128 dev lo`]);
  const missing = await until('missing VIP', outIs(host.name));
  expect(reasonOf(missing)).toContain(`no answer from ${VIP6} port 443 by ipip`);
  await openAnew();
  await ipBatch(host.namespace, [`addr add ${VIP6}/128 dev lo nodad`]);
  await until('VIP is back', allUp);

  const stopped = server(2);
  await openAnew();
  stopped.process.pause(true);
  await until('stopped process', outIs(stopped.host.name));
  stopped.process.pause(false);
  await until('it goes on', allUp);
  // Its CIDs went on to it all the time, so its connections are there still.
  expect(await system.clients.echo()).toBe(CONNECTIONS);

  const cut = server(3).host;
  await ipBatch(system.topology.router, [`link set ${cut.routerInterface} down`]);
  await until('cut link', outIs(cut.name));
  await openAnew();
});

test('where all fail at once none goes out, and a host that drops answers says so', async () => {
  await start({});
  await until('all are up', allUp);
  for (const { process } of [0, 1, 2, 3].map(server)) process.pause(true);
  const failing = await until('all stopped', ({ unhealthy }) => unhealthy.length === SERVERS);
  expect(out(failing)).toEqual([]);
  expect(failing.suspectChecks.web).toMatch(/4 of 4 servers fail, and a floor of 50 percent/);
  for (const { process } of [0, 1, 2, 3].map(server)) process.pause(false);
  await until('all go on', allUp);

  const [balancer] = system.topology.balancers;
  await ipBatch(balancer?.namespace ?? '', [`addr add ${VIP4}/32 dev lo`]);
  const eaten = await until('VIP on the balancer', ({ suspectChecks }) =>
    /address of this host/.test(suspectChecks.web ?? ''),
  );
  expect(out(eaten)).toEqual([]);
  await ipBatch(balancer?.namespace ?? '', [`addr del ${VIP4}/32 dev lo`]);
  await until('VIP off the balancer', allUp);
  await openAnew();
});
