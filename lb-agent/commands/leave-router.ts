// SPDX-License-Identifier: Apache-2.0
import type { Log } from '../../daemon/log.js';
import type { Agent } from '../agent.js';
import { QUIET_MS, untilQuiet } from '../announcing/quiet.js';
import type { AgentFleet } from '../fleet/agent-fleet.js';
import { vipPackets } from '../observe/vip-packets.js';

export interface LeaveRouterOptions {
  readonly agent: Pick<Agent, 'balancer'>;
  readonly fleet: Pick<AgentFleet, 'withdraw'>;
  /** Milliseconds after which it ends in any case. */
  readonly limitMs: number;
  /** Resolves when it has to end at once, by a second signal. */
  readonly hurry: Promise<unknown>;
  readonly log: Log;
}

/**
 * Before the agent ends: has the router told to send no more packets here, and waits until none
 * come. The balancer routes on meanwhile and afterwards. Never rejects.
 */
export async function leaveRouter(options: LeaveRouterOptions): Promise<void> {
  const { agent, fleet, limitMs, hurry, log } = options;
  const begun = performance.now();
  const ended = new AbortController();
  const limit = new Promise<void>((resolve) => {
    setTimeout(resolve, limitMs).unref();
    void hurry.then(() => {
      ended.abort();
      resolve();
    });
  });
  const told = await Promise.race([fleet.withdraw().then(() => true), limit.then(() => false)]);
  if (!told) {
    log.error('stopping though the announce hook has not withdrawn this host');
    return;
  }
  const quiet = await untilQuiet({
    packets: () => vipPackets(agent.balancer),
    quietMs: QUIET_MS,
    limitMs: limitMs - (performance.now() - begun),
    signal: ended.signal,
  });
  if (quiet) log.info({ quietMs: QUIET_MS }, 'withdrawn, and packets have ended');
  else log.warn('stopping though packets still come: the balancer routes them on');
}
