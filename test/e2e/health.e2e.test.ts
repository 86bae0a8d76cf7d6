// SPDX-License-Identifier: Apache-2.0

import { rmSync } from 'node:fs';
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
    ...{ targets: [TARGET4, TARGET6], timeoutMs: 30_000, parallel: CONNECTIONS },
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

test('an agent that starts again puts no dead server back in, and CIDs can fall back', async () => {
  await start({ cids: 'fall-back', interval: 400 }, { tunnelFamily: 6 });
  await until('all are up', allUp);
  const { process, host } = server(0);
  const [agent] = system.agents;
  if (agent === undefined) throw new Error('there is no agent');
  await process.kill();
  const dead = (found: Status) =>
    found.servers.some(({ name, state }) => name === host.name && state === 'down');
  const killed = await until('killed process, IPv6', dead);
  const [record] = killed.servers.filter(({ name }) => name === host.name);
  expect(record?.unreachable).toMatch(/no answer from .* by ipip to 2001:db8:3/);

  await agent.kill();
  await agent.start();
  // At the moment at which it is ready, and not some hysteresis later.
  const again = await status();
  expect(dead(again)).toBe(true);
  expect(out(again)).toEqual([host.name]);
  await openAnew();

  await process.start();
  await until('started again', allUp);
  await agent.stop();
});

test('a dead decapsulation, and a source that the servers do not take, are told apart', async () => {
  await start({ floor: 0, interval: 400 });
  await until('all are up', allUp);
  const { host, sidecar } = server(0);
  await sidecar.kill();
  rmSync(`${scope.pinFolder(host.name)}/decap`, { force: true });
  const dead = await until('dead decapsulation', outIs(host.name));
  expect(reasonOf(dead)).toMatch(/unwraps no such tunnel/);
  await openAnew();
  sidecar.start();
  await until('it unwraps again', allUp);

  const [agent] = system.agents;
  await agent?.stop();
  // Of no host, and on no list of the sidecars.
  await agent?.start('--source', '192.0.2.16/28');
  await until('a source that is not listed', (found) => {
    return found.unhealthy.length === SERVERS && /--decap-sources/.test(reasonOf(found));
  });
});
