// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../etcd/until.js';
import { Scope } from '../netns/scope.js';
import {
  CLIENT_ADDRESSES4,
  CLIENT_ADDRESSES6,
  type Host,
  VIP_PORT,
  VIP4,
  VIP6,
} from '../netns/topology.js';
import { Agent } from '../system/agent.js';
import { codecOf } from '../system/codec.js';
import { outcomesOf } from '../system/counters.js';
import { FOUR_PASS, SystemDocument } from '../system/document.js';
import { UdpRig } from '../udp/rig.js';
import {
  type Speaker,
  startBirdSpeaker,
  startExaSpeaker,
  startRouter,
  untilRouted,
} from './bgp.js';

/** Datagrams of one round of traffic, in each family, and how many are under way at a time. */
const PROBES = 1_500;
const WINDOW = 24;

let scope: Scope;
let rig: UdpRig;
beforeEach(async () => {
  scope = new Scope('cdetoe');
  rig = await UdpRig.start(scope, [FOUR_PASS]);
});
afterEach(() => scope.dispose());

interface Traffic {
  readonly sent: number;
  readonly lost: number;
}

/** Datagrams of both families, half by CID and half by flow, without a pause until it is ended. */
function startTraffic(): { end(): Promise<Traffic> } {
  let ending = false;
  const run = async (): Promise<Traffic> => {
    let [sent, lost] = [0, 0];
    while (!ending) {
      for (const [host, addresses] of [
        [VIP4, CLIENT_ADDRESSES4],
        [VIP6, CLIENT_ADDRESSES6],
      ] as const) {
        const { answers } = await rig.probe({
          server: { host, port: VIP_PORT },
          sources: Array.from({ length: 32 }, (_, i) => ({
            address: addresses[i % addresses.length] ?? '',
            port: 0,
          })),
          probes: Array.from({ length: PROBES }, (_, i) => ({
            source: i % 32,
            payload: payload(i),
          })),
          window: WINDOW,
        });
        sent += answers.length;
        lost += answers.filter((answer) => answer === null).length;
      }
    }
    return { sent, lost };
  };
  const running = run();
  return {
    end: () => {
      ending = true;
      return running;
    },
  };
}

function payload(index: number): string {
  const codec = codecOf(rig.document, FOUR_PASS);
  const id = Buffer.from(SystemDocument.serverId(FOUR_PASS, index % 3), 'hex');
  const cid =
    index % 2 === 0
      ? codec.encode(id, randomBytes(FOUR_PASS.nonceLength))
      : Buffer.from('e7'.repeat(8), 'hex');
  return Buffer.concat([Uint8Array.of(0x40), cid, randomBytes(24)]).toString('hex');
}

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
    const traffic = startTraffic();
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
    expect(sent).toBeGreaterThan(2 * PROBES);
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
