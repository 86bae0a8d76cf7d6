// SPDX-License-Identifier: Apache-2.0
import { Gauge, type Registry } from 'prom-client';
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
}
