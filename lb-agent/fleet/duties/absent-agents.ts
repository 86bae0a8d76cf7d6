// SPDX-License-Identifier: Apache-2.0
import { putAway } from '../../../registry/etcd/fleet/index.js';
import type { DutyContext, DutyStep } from './duty.js';

/**
 * GRACE: puts agents away that gave no sign of life for a while, so that sidecars do not wait for
 * them. STALE_SEEN: the clock of each is for its acknowledgement as it was when it began.
 */
export async function putAbsentAgentsAway(context: DutyContext): Promise<DutyStep | undefined> {
  const { keys, view, clocks, graceMs, log } = context;
  const live = view.liveAgents.in('');
  const acks = view.acks.in('');
  clocks.retain((what) => {
    if (!what.startsWith('agent ')) return true;
    const agent = what.slice('agent '.length);
    return acks.has(agent) && !live.has(agent);
  });
  let due: string | undefined;
  for (const [agent, { modRevision }] of acks) {
    if (live.has(agent)) continue;
    if (clocks.elapsed(`agent ${agent}`, modRevision) >= graceMs) due ??= agent;
  }
  const transaction = due === undefined ? undefined : putAway(keys, view, due);
  if (due === undefined || transaction === undefined) return undefined;
  return {
    task: 'absent agents',
    what: `putting agent ${due} away`,
    transaction,
    done: () => log.warn({ agent: due }, 'an agent gives no sign of life: nobody waits for it'),
  };
}
