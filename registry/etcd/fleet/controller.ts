// SPDX-License-Identifier: Apache-2.0
import {
  absent,
  type Condition,
  createdAt,
  put,
  remove,
  type Transaction,
} from '../client/index.js';
import { type Keys, valueText } from '../layout/index.js';
import type { FleetView } from './fleet-view.js';

// The controller of a pool is the agent whose key stands at `controllers/<pool>`, under its lease.
// It decides who does the work, and keeps IDs dense. No safety rests on it: a controller whose
// lease is over, and who does not know that yet, does no harm (CONTROLLER in docs/etcd-safety.md).

/** One time of being the controller of a pool. */
export interface Term {
  readonly pool: string;
  /** Revision at which the key was made. */
  readonly createRevision: number;
}

/** Makes an agent the controller of a pool that has none. */
export function takeOver(keys: Keys, pool: string, agent: string, lease: string): Transaction {
  const key = keys.controller(pool);
  return { when: [absent(key)], success: [put(key, valueText({ agent }), lease)] };
}

/** The term of an agent that is the controller of a pool. */
export function termOf(
  view: FleetView,
  pool: string,
  agent: string,
  lease: string,
): Term | undefined {
  const entry = view.controllers.get(pool);
  if (entry?.value.agent !== agent || entry.lease !== lease) return undefined;
  return { pool, createRevision: entry.createRevision };
}

/** Ends a term, so that another agent can begin one. A late copy ends no later term. */
export function giveUp(keys: Keys, term: Term): Transaction {
  return { when: [inTerm(keys, term)], success: [remove(keys.controller(term.pool))] };
}

/** CONTROLLER: the term lasts. */
export function inTerm(keys: Keys, { pool, createRevision }: Term): Condition {
  return createdAt(keys.controller(pool), createRevision);
}
