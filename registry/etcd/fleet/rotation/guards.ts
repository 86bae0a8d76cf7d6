// SPDX-License-Identifier: Apache-2.0
import { type Condition, unchanged } from '../../client/index.js';
import type { Keys } from '../../layout/index.js';
import { allForgot, allHold, waitingToForget, waitingToHold } from '../acknowledgements.js';
import type { FleetView } from '../fleet-view.js';
import { nobodyIssues, whoIssues } from '../gate.js';
import type { StillOn, Wait } from './decision.js';
import type { SeenConfig } from './rotation-picture.js';

// The guards of a rotation by their names in docs/etcd-safety.md. Each says what it waits for by
// the view, and what the transaction compares, so that what is decided on an old view fails.

export interface Guard {
  /** None where the guard looks open. */
  readonly waits: readonly Wait[];
  readonly when: readonly Condition[];
}

/** GATE: all balancers hold what was written at a revision. */
export function gate(keys: Keys, fleet: FleetView, revision: number): Guard {
  const agents = waitingToHold(fleet, revision);
  const open = fleet.acks.size > 0 && agents.length === 0;
  return {
    waits: open ? [] : [{ kind: 'balancers', guard: 'GATE', revision, agents }],
    when: allHold(keys, revision),
  };
}

/** USES: no sidecar has a mark on the config, awake or not. */
export function uses(keys: Keys, fleet: FleetView, pool: string, config: number): Guard {
  const servers = whoIssues(fleet, pool, config).map((server) =>
    stillOn(fleet, pool, config, server),
  );
  return {
    waits: servers.length === 0 ? [] : [{ kind: 'sidecars', config, servers }],
    when: nobodyIssues(keys, pool, config),
  };
}

/**
 * OLDER_GONE, as far as it is the controller's: no sidecar says that connections hold CIDs of the
 * config. (That a mark stays for as long as they do is the sidecar's part.)
 */
export function olderGone(fleet: FleetView, pool: string, config: number): Guard {
  const servers = [...fleet.liveServers.in(pool)]
    .filter(([, { value }]) => (value.older[String(config)] ?? 0) > 0)
    .map(([server]) => stillOn(fleet, pool, config, server))
    .sort((a, b) => (a.server < b.server ? -1 : 1));
  return { waits: servers.length === 0 ? [] : [{ kind: 'sidecars', config, servers }], when: [] };
}

/**
 * No balancer saw a packet under the config for so many seconds. Those that give no sign of life
 * are waited for until they count as away: they may have seen some.
 */
export function quiet(fleet: FleetView, pool: string, config: number, seconds: number): Guard {
  const agents = [...fleet.acks.in('').keys()].flatMap((agent) => {
    const since = fleet.quiet.get(agent)?.value[`${pool}/${config}`] ?? null;
    return since !== null && since >= seconds ? [] : [{ agent, quiet: since }];
  });
  agents.sort((a, b) => (a.agent < b.agent ? -1 : 1));
  const waits: Wait[] =
    agents.length === 0 ? [] : [{ kind: 'packets', config, wanted: seconds, agents }];
  return { waits, when: [] };
}

/** REMOVAL_ACKED and STALE_ACKED: no balancer, awake or away, still reads the config. */
export function removalAcked(keys: Keys, fleet: FleetView, revision: number): Guard {
  const agents = waitingToForget(fleet, revision);
  const open = fleet.acks.size > 0 && agents.length === 0;
  return {
    waits: open ? [] : [{ kind: 'balancers', guard: 'REMOVAL_ACKED', revision, agents }],
    when: allForgot(keys, fleet, revision),
  };
}

/** AGE: the config rested for as long as the longest connection lasts. */
export function age(config: number, seconds: number, of: number): Guard {
  return { waits: seconds >= of ? [] : [{ kind: 'age', config, seconds, of }], when: [] };
}

/** CONFIG_SEEN, QUARANTINE_SEEN: the config is as it was read, and as its clock was started for. */
export function asSeen({ key, modRevision }: SeenConfig): Condition {
  return unchanged(key, modRevision);
}

function stillOn(fleet: FleetView, pool: string, config: number, server: string): StillOn {
  const live = fleet.liveServers.get(`${pool}/${server}`)?.value;
  const connections = live?.older[String(config)] ?? undefined;
  return { server, alive: live !== undefined, issuing: live?.issuing, connections };
}

/** All of them. Tests take one away, and see what happens. */
export const ROTATION_GUARDS = {
  gate,
  uses,
  olderGone,
  quiet,
  removalAcked,
  age,
  asSeen,
  /** QUARANTINE_SEEN: names what the clock of a quarantine measures. */
  clockOf: ({ id, modRevision }: SeenConfig): string => `config ${id} at ${modRevision}`,
};

export type RotationGuards = typeof ROTATION_GUARDS;
