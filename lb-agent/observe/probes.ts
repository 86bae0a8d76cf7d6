// SPDX-License-Identifier: Apache-2.0
import type { Probes } from '../../daemon/metrics-server.js';

/** What the probes are about; asked at each of them. */
export interface ProbedAgent {
  /** Whether the program is attached; undefined before there is an agent. */
  attached(): boolean | undefined;
  /** Why packets should not come here; undefined where they may, or that is not decided yet. */
  withdrawn(): string | undefined;
  /** Whether the start is over, so that packets may come. */
  started(): boolean;
  /** Since when a state that was accepted cannot be applied. */
  readonly failingSince: Date | undefined;
}

/** Milliseconds for which the agent mends by itself, before a restart is what is left. */
const DETACHED_MS = 60_000;
const FAILING_MS = 300_000;

/**
 * `/healthz`: whether a restart of the agent may help. `/readyz`: whether the router may send
 * packets here.
 *
 * @param now milliseconds since 1970; tests pass their own clock
 */
export function agentProbes(agent: ProbedAgent, now: () => number = Date.now): Probes {
  let wasAttached = false;
  let detachedSince: number | undefined;
  return {
    healthz: () => {
      const attached = agent.attached() === true;
      wasAttached ||= attached;
      if (attached) detachedSince = undefined;
      else if (wasAttached) detachedSince ??= now();
      const reasons: string[] = [];
      if (detachedSince !== undefined && now() - detachedSince >= DETACHED_MS) {
        reasons.push('the balancer has not been attached for a minute');
      }
      const { failingSince } = agent;
      if (failingSince !== undefined && now() - failingSince.getTime() >= FAILING_MS) {
        reasons.push('the desired state cannot be applied for five minutes');
      }
      return reasons;
    },
    readyz: () => {
      if (agent.attached() !== true) return ['the balancer is not attached'];
      if (!agent.started()) return ['the agent starts'];
      const reason = agent.withdrawn();
      return reason === undefined ? [] : [`withdrawn: ${reason}`];
    },
  };
}
