// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../etcd/until.js';
import { LEASE_TTL } from '../fleet-parts.js';
import { PATIENCE_MS } from '../operator.js';
import type { Candidates } from './candidates.js';
import { isWhole } from './candidates.js';
import type { Operation } from './operation.js';

const names = (hosts: readonly { readonly name: string }[]) => hosts.map(({ name }) => name);
/** Longer than a lease. */
const STANDSTILL_MS = 1_500 * LEASE_TTL;

/** Balancers that still are whole, beside another one that is. */
const spare = (now: Candidates) => names(now.agentsToSpare.filter(isWhole));

/** What happens to balancers, and what operators do about it. */
export const OPERATIONS_OF_AGENTS: Readonly<Record<string, Operation>> = {
  'kill agent': {
    weight: 8,
    to: spare,
    run: async (now, name) => {
      await now.agent(name).agent.kill();
      return undefined;
    },
  },
  'stop agent': {
    weight: 3,
    to: spare,
    run: async (now, name) => {
      await now.agent(name).agent.stop();
      return undefined;
    },
  },
  'start agent': {
    weight: 14,
    to: (now) => names(now.fleet.agents.filter(({ agent, isCut }) => !agent.running && !isCut)),
    run: async (now, name) => {
      await now.agent(name).start();
      return undefined;
    },
  },
  'cut agent': {
    weight: 8,
    to: spare,
    run: async (now, name) => {
      await now.agent(name).cut();
      return undefined;
    },
  },
  'mend agent': {
    weight: 14,
    to: (now) => names(now.fleet.agents.filter(({ isCut }) => isCut)),
    run: async (now, name) => {
      await now.agent(name).mend();
      return undefined;
    },
  },
  'restart cut agent': {
    weight: 4,
    to: (now) => names(now.agentsToSpare.filter(({ isCut, agent }) => isCut && agent.running)),
    run: async (now, name) => {
      const host = now.agent(name);
      await host.agent.kill();
      await host.start();
      return undefined;
    },
  },
  'freeze agent': {
    weight: 3,
    to: spare,
    run: async (now, name) => {
      const { pid } = now.agent(name).agent;
      process.kill(pid, 'SIGSTOP');
      try {
        // That a lease is over has no event here: time itself is what is tried.
        await pause(STANDSTILL_MS);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      return undefined;
    },
  },
  'reboot host': {
    weight: 3,
    to: spare,
    run: async (now, name) => {
      const { agent } = now.agent(name);
      const { router } = now.fleet;
      await agent.kill();
      await until('the router knows it', () => !router.announced.includes(name), PATIENCE_MS);
      await agent.detach();
      return undefined;
    },
  },
  'count out': {
    weight: 3,
    // An operator's word that it gets no packets has to be true.
    to: (now) => {
      const { agents, router } = now.fleet;
      return names(
        agents.filter((host) => !isWhole(host) && !router.announced.includes(host.name)),
      );
    },
    run: async (now, name) => {
      await now.fleet.operator.must('agents', 'count-out', name, '--reason', 'it gets no packets');
      return undefined;
    },
  },
};
