// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MemoryDriver } from '../../lb-agent/reconcile/testing/memory-driver.js';
import { revisionNumber } from '../../registry/etcd/layout/index.js';
import { TestAgent } from '../../test/etcd/test-agent.js';
import { until } from '../../test/etcd/until.js';
import { notifyParent, serveParent } from '../../test/netns/worker.js';
import { now } from './clock.js';

export interface AgentsOptions {
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly names: readonly string[];
  /** Of all of them; each has a folder in it. */
  readonly folder: string;
  /** Seconds. */
  readonly ttl: number;
}

/** What is told when the tables of every agent here have a revision. */
export interface Reached {
  readonly revision: number;
  /** When each of them had it. */
  readonly at: readonly number[];
}

/** Agents whose balancers are tables in the memory of this process. */
const agents: TestAgent[] = [];

serveParent({
  start: async ({ endpoints, prefix, names, folder, ttl }: AgentsOptions) => {
    const reached = new Map<number, number[]>();
    const note = (revision: number) => {
      const at = reached.get(revision) ?? [];
      at.push(now());
      reached.set(revision, at);
      if (at.length < names.length) return;
      reached.delete(revision);
      notifyParent('reached', { revision, at } satisfies Reached);
    };
    for (const agent of names) {
      const own = join(folder, prefix.slice(1), agent);
      mkdirSync(own, { recursive: true });
      const onApplied = ({ revision }: { revision: string }) => note(revisionNumber(revision) ?? 0);
      const driver = new MemoryDriver();
      driver.counting = false;
      const of = { endpoints, prefix, agent, folder: own, ttl, driver, onApplied };
      agents.push(await TestAgent.start(of));
    }
    await until('all agents are live', () => agents.every(({ fleet }) => fleet.alive), 120_000);
  },
});
