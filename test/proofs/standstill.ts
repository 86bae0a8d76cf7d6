// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { Keys } from '../../registry/etcd/layout/index.js';
import { until } from '../etcd/until.js';
import { settle } from './operations/settle.js';
import { type Operator, POOL } from './operator.js';
import type { ProvingFleet } from './proving-fleet.js';
import { StepWatch } from './step-watch.js';

export interface StandstillResult {
  readonly seconds: number;
  readonly connections: number;
  readonly alive: number;
  readonly probes: number;
}

/**
 * All members of etcd stand still in the middle of a rotation, for longer than all leases: no ID
 * is freed, nobody is put away, no connection is lost, and the rotation goes on by itself.
 */
export async function proveStandstill(
  fleet: ProvingFleet,
  seconds: number,
): Promise<StandstillResult> {
  const { operator, network, say } = fleet;
  const client = network.members.client();
  const keys = new Keys(client.prefix);
  const steps = new StepWatch(client);
  await steps.ready;
  const put: string[] = [];
  const { revision } = await client.kv.list(keys.allStale);
  const watch = client.follow([keys.allStale, keys.rest(POOL)], {
    onSnapshot: ({ entries }) => void put.push(...entries.map(({ key }) => key)),
    onChanges: ({ changes }) => {
      for (const each of changes) if (each.kind === 'put') put.push(each.entry.key);
    },
  });
  try {
    const owners = await ownersOf(operator);
    const last = steps.id;
    await operator.must('rotate', POOL, '--no-wait');
    await steps.reached('minting', { last, aborted: false });
    say(`etcd stands still for ${seconds} s, from revision ${revision}`);
    network.members.pauseAll();
    const end = performance.now() + 1000 * seconds;
    try {
      // How long the members stand still has no event: time itself is what is tried.
      while (performance.now() < end) {
        await fleet.traffic();
        await fleet.check();
        await pause(Math.max(0, Math.min(1_000, end - performance.now())));
      }
    } finally {
      network.members.resumeAll();
    }
    await network.members.healthy();
    await settle(fleet);
    const mark = keys.stale('end-of-the-proof');
    await client.kv.put(mark, '00000000000000000001');
    await until('the history was seen', () => put.includes(mark));
    await client.kv.remove(mark);
    const away = put.filter((key) => key !== mark);
    if (away.length > 0) throw new Error(`put away or to rest: ${away.join(', ')}`);
    const now = await ownersOf(operator);
    if (JSON.stringify(now) !== JSON.stringify(owners)) {
      throw new Error(`the owners were ${JSON.stringify(owners)}, and are ${JSON.stringify(now)}`);
    }
  } finally {
    watch.close();
    steps.close();
  }
  const alive = await fleet.finish();
  const { connections, witnesses } = fleet;
  return { seconds, connections, alive, probes: witnesses.right };
}

/** Numbers of IDs by server, whatever the config: a rotation keeps them. */
async function ownersOf(operator: Operator): Promise<readonly string[]> {
  const ids = await operator.ids();
  return ids.map(({ first, state, server }) => `${first} ${state} ${server}`).sort();
}
