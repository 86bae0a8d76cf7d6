// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, type Registry } from 'prom-client';
import { observeFleet } from '../../daemon/fleet-metrics.js';
import type { AgentFleet } from './agent-fleet.js';

/** Adds what the agent is to the others; to be called once. */
export function observeAgentFleet(registry: Registry, fleet: AgentFleet): void {
  const registers = [registry];
  new Gauge({
    name: 'cidecar_agent_announced',
    help: '1 while the router should send packets here, as the announce hook is told.',
    registers,
    collect() {
      this.set(fleet.announced ? 1 : 0);
    },
  });
  new Gauge({
    name: 'cidecar_agent_degraded',
    help: '1 while this host is announced though another may route better; the log says why.',
    registers,
    collect() {
      const now = fleet.announcer.announcing;
      this.set(now?.announce === true && now.degraded !== undefined ? 1 : 0);
    },
  });
  new Gauge({
    name: 'cidecar_agent_announce_hook_failing',
    help: '1 while the announce hook fails, so that the router may not know.',
    registers,
    collect() {
      this.set(fleet.announcer.hookFails === true ? 1 : 0);
    },
  });
  if (fleet.standing === 'alone') return;
  observeFleet(registry, fleet);
  new Gauge({
    name: 'cidecar_agent_standing',
    help: '1 for what the agent is to the others: live, joining, counted out, name taken.',
    labelNames: ['standing'] as const,
    registers,
    collect() {
      this.reset();
      this.set({ standing: fleet.standing }, 1);
    },
  });
  new Gauge({
    name: 'cidecar_agent_acknowledged_revision',
    help: 'Revision of etcd that the others know this agent to hold; 0 where they know none.',
    registers,
    collect() {
      this.set(fleet.acknowledged ?? 0);
    },
  });
  if (fleet.controller !== undefined) observeController(registry, fleet.controller);
}

type Observed = NonNullable<AgentFleet['controller']>;

function observeController(registry: Registry, controller: Observed): void {
  const registers = [registry];
  const { counts } = controller;
  new Gauge({
    name: 'cidecar_controller_pool',
    help: '1 for each pool of which this agent is the controller.',
    labelNames: ['pool'] as const,
    registers,
    collect() {
      this.reset();
      for (const pool of controller.pools) this.set({ pool }, 1);
    },
  });
  new Counter({
    name: 'cidecar_controller_steps_total',
    help: 'Transactions that this agent made as a controller, by what they are for.',
    labelNames: ['pool', 'task'] as const,
    registers,
    collect() {
      this.reset();
      for (const { pool, task, count } of counts.steps) this.inc({ pool, task }, count);
    },
  });
  new Counter({
    name: 'cidecar_controller_granted_ids_total',
    help: 'IDs that this agent handed out as a controller.',
    labelNames: ['pool'] as const,
    registers,
    collect() {
      this.reset();
      for (const [pool, ids] of counts.grantedIds) this.inc({ pool }, ids);
    },
  });
  new Gauge({
    name: 'cidecar_controller_unmet_requests',
    help: 'Servers that do not get what they ask for; the log says why. Only at the controller.',
    labelNames: ['pool'] as const,
    registers,
    collect() {
      this.reset();
      for (const [pool, requests] of counts.unmetRequests) this.set({ pool }, requests);
    },
  });
  new Gauge({
    name: 'cidecar_controller_ids',
    help: 'IDs of the range of allocation: owned, away (at rest, pinned or reserved), free. Only at the controller.',
    labelNames: ['pool', 'config_id', 'state'] as const,
    registers,
    collect() {
      this.reset();
      for (const { pool, configId, state, ids } of counts.ids) {
        this.set({ pool, config_id: configId, state }, ids);
      }
    },
  });
}
