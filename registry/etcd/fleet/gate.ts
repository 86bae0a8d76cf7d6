// SPDX-License-Identifier: Apache-2.0
import {
  type Condition,
  rangeEmpty,
  remove,
  type Transaction,
  unchanged,
} from '../client/index.js';
import type { Keys, UseValue } from '../layout/index.js';
import { allHold, heldByAll, type Waiting, waitingToHold } from './acknowledgements.js';
import type { Entry } from './fleet-table.js';
import type { FleetView } from './fleet-view.js';

// The gate of issuing. A sidecar issues under a config, and under IDs of its own, only while it
// has a mark in etcd that says so (`uses/`). It gets the mark by a transaction that holds only if
// all agents hold the config and the IDs as they are; while any sidecar has a mark, the config
// cannot be put into quarantine. The mark hangs on no lease, because a sidecar that is cut off
// goes on issuing. The order is:
//   mark in etcd -> mark on disk -> issuing -> no connection on the CIDs -> disk -> no mark

/** A key as it was read. */
export interface SeenKey {
  readonly key: string;
  /** Revision of its last change. */
  readonly modRevision: number;
}

/** What a sidecar wants to issue under: a config, and its own IDs under it. */
export interface Wanted {
  readonly config: SeenKey;
  /** The keys of the runs that hold the IDs; none where a mark alone is wanted. */
  readonly ids: readonly SeenKey[];
}

export type GateDecision =
  | {
      readonly open: true;
      /** Revision of what was written last of what is wanted. */
      readonly revision: number;
      /** Of a transaction that relies on it. */
      readonly conditions: readonly Condition[];
    }
  | {
      readonly open: false;
      readonly revision: number;
      /** By name; none where no agent has joined at all. */
      readonly waiting: readonly Waiting[];
    };

/** The revision that all agents must hold. */
export function revisionOf({ config, ids }: Wanted): number {
  return ids.reduce((latest, { modRevision }) => Math.max(latest, modRevision), config.modRevision);
}

/** Whether the gate looks open. That it is says the transaction, in which the same is compared. */
export function decideGate(
  keys: Keys,
  view: Pick<FleetView, 'acks' | 'liveAgents'>,
  wanted: Wanted,
): GateDecision {
  const revision = revisionOf(wanted);
  const held = heldByAll(view);
  if (held === undefined || held < revision) {
    return { open: false, revision, waiting: waitingToHold(view, revision) };
  }
  return { open: true, revision, conditions: gateConditions(keys, wanted) };
}

/** GATE, CONFIG_SEEN: that all agents hold what is wanted, and that it is as it was read. */
export function gateConditions(keys: Keys, wanted: Wanted): Condition[] {
  const seen = [wanted.config, ...wanted.ids];
  return [
    ...allHold(keys, revisionOf(wanted)),
    ...seen.map(({ key, modRevision }) => unchanged(key, modRevision)),
  ];
}

/**
 * MARK_SEEN: takes a mark back. Compared with the mark as it was seen: a removal that is committed late must
 * not take the mark that was put since.
 */
export function unmark({
  key,
  modRevision,
}: Pick<Entry<UseValue>, 'key' | 'modRevision'>): Transaction {
  return { when: [unchanged(key, modRevision)], success: [remove(key)] };
}

/** USES: that no sidecar issues under a config, so that it can be put into quarantine. */
export function nobodyIssues(keys: Keys, pool: string, config: number): Condition[] {
  return [rangeEmpty(keys.uses(pool, config))];
}

/** The servers that still may issue under a config, by name. */
export function whoIssues(view: FleetView, pool: string, config: number): string[] {
  return [...view.uses.in(`${pool}/${config}`).keys()].sort();
}

/** For people: `lb-2 and lb-3`, `lb-2 (no sign of life)`, or that there is no balancer. */
export function describeWaiting(waiting: readonly Waiting[]): string {
  if (waiting.length === 0) return 'a first balancer to join';
  const shown = waiting.slice(0, 5).map(({ agent, condition }) => {
    if (condition === 'lagging') return agent;
    return `${agent} (${condition === 'silent' ? 'no sign of life' : 'away'})`;
  });
  const more = waiting.length - shown.length;
  if (more > 0) return `${shown.join(', ')} and ${more} more`;
  return shown.length === 1
    ? String(shown[0])
    : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}
