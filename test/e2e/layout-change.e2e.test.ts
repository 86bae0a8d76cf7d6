// SPDX-License-Identifier: Apache-2.0
import { readdirSync, renameSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../etcd/until.js';
import { Scope } from '../netns/scope.js';
import type { Agent } from '../system/agent.js';
import { outcomesOf } from '../system/counters.js';
import { FOUR_PASS } from '../system/document.js';
import { UdpRig } from '../udp/rig.js';
import { startTraffic } from '../udp/traffic.js';

let scope: Scope;
let rig: UdpRig;
beforeAll(async () => {
  scope = new Scope('cdetoe');
  rig = await UdpRig.start(scope, [FOUR_PASS]);
});
afterAll(() => scope.dispose());

/** The table set that is pinned. */
const tableSetOf = ({ pinFolder }: Agent) =>
  readdirSync(pinFolder).find((name) => /^g[0-9]+$/.test(name)) ?? '';

/** From now on its tables are those of a build that lays them out in another way. */
function relabel(agent: Agent): void {
  const folder = `${agent.pinFolder}/${tableSetOf(agent)}`;
  const mark = readdirSync(folder).find((name) => name.startsWith('abi-')) ?? '';
  renameSync(`${folder}/${mark}`, `${folder}/abi-other`);
}

const packetsOf = async (agent: Agent) => {
  const { cid = 0, flow = 0, ring = 0 } = outcomesOf(await agent.status());
  return { all: cid + flow + ring, flow };
};

// Up, and down again: to the agent that starts, both are tables of another build.
test.each(['up', 'down'])(
  'a build of another layout, %s: nothing is lost under traffic',
  async () => {
    const traffic = startTraffic(rig);
    for (const agent of rig.agents) {
      await until('it has flows', async () => (await packetsOf(agent)).flow > 0);
      const before = tableSetOf(agent);
      await agent.stop();
      relabel(agent);
      await agent.start();
      expect(agent.tail(50)).toContain('cannot take over the tables');
      expect(tableSetOf(agent)).not.toBe(before);
      await until('it routes', async () => (await packetsOf(agent)).all > 0);
    }
    const { sent, lost, astray } = await traffic.end();
    expect(sent).toBeGreaterThan(0);
    expect({ lost, astray }).toEqual({ lost: 0, astray: 0 });
  },
);
