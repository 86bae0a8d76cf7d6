// SPDX-License-Identifier: Apache-2.0
import { type Operation, put } from '../../registry/etcd/client/index.js';
import { Keys, transaction } from '../../registry/etcd/layout/index.js';
import { putPool } from '../../test/etcd/fleet-document.js';
import { hexOf } from './hex.js';
import { usageOf } from './load.js';
import type { AddRow } from './row.js';
import type { FleetWorld } from './world.js';

const PREFIX = '/million';
const RUNS = 1_000;
const RUN_IDS = 1_000;
/** Operations of a transaction that fills the registry. */
const AT_ONCE = 100;

/** From the start of the process to the attachment: 1,000 servers with a run of 1,000 IDs each. */
export async function measureMillion(world: FleetWorld, add: AddRow): Promise<void> {
  const client = world.client(PREFIX);
  const keys = new Keys(PREFIX);
  await putPool(client, { configs: ['minting'], nonceLength: 4, servers: { s0: [] } });
  const operations: Operation[] = [];
  for (let i = 0; i < RUNS; i += 1) {
    const server = `s${i}`;
    const address = `10.${i >> 8}.${i & 255}.1`;
    operations.push(put(keys.server('web', server), JSON.stringify({ address })));
    const run = { server, count: RUN_IDS };
    operations.push(put(keys.id('web', 0, hexOf(i * RUN_IDS)), JSON.stringify(run)));
  }
  for (let at = 0; at < operations.length; at += AT_ONCE) {
    const success = operations.slice(at, at + AT_ONCE);
    await client.kv.txn(transaction(keys, 'bench', { success }), { repeatable: true });
  }
  const [agent] = world.kernels(PREFIX, 1);
  if (agent === undefined) throw new Error('there is no agent');
  let took = 0;
  const groups = { members: world.members.all, agent: [agent] };
  const { cpu, others } = await usageOf(groups, async () => {
    took = await agent.ready();
  });
  const name = '1M IDs from etcd to the kernel, from the start of the agent';
  add({ case: name, value: took, unit: 'ms', others });
  add({ case: `${name}: CPU of the agent`, value: cpu.agent, unit: 'ms' });
  add({ case: `${name}: CPU of the members`, value: cpu.members, unit: 'ms' });
}
