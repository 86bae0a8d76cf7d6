// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../etcd/until.js';
import { Scope } from '../netns/scope.js';
import type { Host } from '../netns/topology.js';
import { Agent } from '../system/agent.js';
import { outcomesOf } from '../system/counters.js';
import { FOUR_PASS } from '../system/document.js';
import { UdpRig } from '../udp/rig.js';
import { startTraffic } from '../udp/traffic.js';
import {
  type Speaker,
  startBirdSpeaker,
  startExaSpeaker,
  startRouter,
  untilRouted,
} from './bgp.js';

let scope: Scope;
let rig: UdpRig;
beforeEach(async () => {
  scope = new Scope('cdetoe');
  rig = await UdpRig.start(scope, [FOUR_PASS]);
});
afterEach(() => scope.dispose());

async function packetsOf(agent: Agent): Promise<number> {
  const { cid = 0, flow = 0, ring = 0 } = outcomesOf(await agent.status());
  return cid + flow + ring;
}

interface Announcing {
  readonly agent: Agent;
  readonly speaker: Speaker;
  start(): Promise<void>;
}

/** In the place of the agent of the rig. */
async function announcing(host: Host, speaker: Speaker): Promise<Announcing> {
  const agent = new Agent(scope, host, rig.document.path, { env: speaker.env });
  const start = () => agent.start('--announce-hook', speaker.hook, '--on-stop', 'withdraw');
  await start();
  return { agent, speaker, start };
}

describe.each([
  ['BIRD', startBirdSpeaker],
  ['ExaBGP', startExaSpeaker],
])('a balancer of two that announces its VIPs by %s', (_, startSpeaker) => {
  let one: Announcing;
  let two: Announcing;
  beforeEach(async () => {
    const { topology } = rig;
    for (const agent of rig.agents) await agent.stop();
    await startRouter(scope, topology);
    const [first, second] = topology.balancers;
    if (first === undefined || second === undefined) throw new Error('there are two');
    one = await announcing(first, await startSpeaker(scope, first));
    two = await announcing(second, await startSpeaker(scope, second));
    await untilRouted(topology, topology.balancers);
  });

  test('is withdrawn, detached, put back and stopped without losing a packet', async () => {
    const traffic = startTraffic(rig);
    await until(
      'both get packets',
      async () => (await packetsOf(one.agent)) > 0 && (await packetsOf(two.agent)) > 0,
    );

    // Not while it is announced, nor while packets come.
    const early = await one.agent.command('detach');
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('STATE_LOCKED')]);
    expect(await one.agent.command('withdraw', '--reason', 'for a test')).toMatchObject({
      ...{ code: 0, stdout: 'withdrawn; packets have ended\n' },
    });
    await untilRouted(rig.topology, [two.agent.host]);
    await one.agent.stop();
    expect(await one.agent.command('detach')).toMatchObject({ code: 0 });

    await one.start();
    await untilRouted(rig.topology, [one.agent.host, two.agent.host]);
    await until('it gets packets', async () => (await packetsOf(one.agent)) > 0);
    // SIGTERM alone, with --on-stop withdraw.
    await two.agent.stop();
    expect(two.agent.tail(20)).toContain('withdrawn, and packets have ended');
    await untilRouted(rig.topology, [one.agent.host]);
    expect(await two.agent.command('detach')).toMatchObject({ code: 0 });

    const { sent, lost } = await traffic.end();
    expect(sent).toBeGreaterThan(3_000);
    expect(lost).toBe(0);
  });
});

test('what a reload of BIRD undid is done again by the agent', async () => {
  const { topology, agents } = rig;
  const [host] = topology.balancers;
  if (host === undefined) throw new Error('there is one');
  await agents[0]?.stop();
  await startRouter(scope, topology);
  const { speaker } = await announcing(host, await startBirdSpeaker(scope, host));
  await untilRouted(topology, [host]);
  await speaker.reload();
  await untilRouted(topology, []);
  await untilRouted(topology, [host]);
});
