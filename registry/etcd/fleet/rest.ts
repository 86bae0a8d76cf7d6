// SPDX-License-Identifier: Apache-2.0
import type { Pool } from '../../types.js';
import {
  absent,
  type Condition,
  createdAt,
  put,
  remove,
  type Transaction,
  unchanged,
} from '../client/index.js';
import { type Keys, type RestValue, valueText } from '../layout/index.js';
import { allForgot, type Waiting, waitingToForget } from './acknowledgements.js';
import type { Clocks } from './clocks.js';
import { inTerm, type Term } from './controller.js';
import type { Entry } from './fleet-table.js';
import type { FleetView } from './fleet-view.js';
import { type DecidedOn, desiredIs } from './grant.js';

// An ID that was taken from its owner is at rest until nothing of the former owner can be left:
// - AGE, AGE_FROM_STOP: the longest connection is over. The clock begins when the removal is in the
//   registry and the former owner has stopped, and anew with each controller, from the seconds that
//   were saved.
// - REMOVAL_ACKED, STALE_ACKED: no agent, awake or away, can still route it to the former owner.
// - OWNER_STOPPED: the former owner has no mark under the config, or put it anew since the
//   removal, and then without the ID. A sidecar that is cut off goes on issuing under it.

/** Begins the names of clocks that run whether the owner has stopped or not. */
const STOP = 'stop ';

/** Runs of one transaction. */
const AT_ONCE = 40;

/** The parts of a connection age after which the seconds at rest are saved for a takeover. */
const SAVES = 8;

export interface Resting {
  readonly config: number;
  readonly hex: string;
  readonly entry: Entry<RestValue>;
}

export interface RestDecision {
  /** May be used again. */
  readonly free: readonly Resting[];
  /** Seconds to be saved. */
  readonly save: readonly (Resting & { readonly seconds: number })[];
  /** For whom IDs wait whose time is over. */
  readonly agents: readonly Waiting[];
  readonly owners: readonly string[];
}

/** The revision at which the IDs were taken from their owner. */
export function removedAt({ value, createRevision }: Entry<RestValue>): number {
  return value.removedAt ?? createRevision;
}

/** What of the IDs at rest is free again; their clocks begin with the first call that sees them. */
export function decideRest(pool: Pool, view: FleetView, clocks: Clocks): RestDecision {
  const { allocation } = pool;
  if (allocation === undefined) return { free: [], save: [], agents: [], owners: [] };
  const prefix = `rest ${pool.name}/`;
  clocks.retain((what) => {
    const rest = what.startsWith(STOP) ? what.slice(STOP.length) : what;
    return !rest.startsWith(prefix) || view.rests.get(rest.slice(5)) !== undefined;
  });
  const free: Resting[] = [];
  const save: (Resting & { seconds: number })[] = [];
  const agents = new Map<string, Waiting>();
  const owners = new Set<string>();
  for (const folder of view.rests.folders) {
    const [name, config] = folder.split('/');
    if (name !== pool.name) continue;
    for (const [hex, entry] of view.rests.in(folder)) {
      const resting = { config: Number(config), hex, entry };
      const { restedSeconds } = entry.value;
      // REST_SEEN: a key that was made anew is another rest.
      const { createRevision } = entry;
      const what = `${prefix}${config}/${hex}`;
      const known = clocks.elapsed(`${STOP}${what}`, createRevision) / 1000;
      if (!ownerStopped(view, pool.name, resting)) {
        // Most of them stop at once.
        if (known >= allocation.connectionAge) owners.add(entry.value.server);
        continue;
      }
      const seconds = clocks.elapsed(what, createRevision, 1000 * restedSeconds) / 1000;
      if (seconds < allocation.connectionAge) {
        if (seconds - restedSeconds >= allocation.connectionAge / SAVES) {
          save.push({ ...resting, seconds: Math.floor(seconds) });
        }
        continue;
      }
      const waiting = waitingToForget(view, removedAt(entry));
      for (const each of waiting) agents.set(each.agent, each);
      if (waiting.length === 0) free.push(resting);
    }
  }
  return {
    free: free.slice(0, AT_ONCE),
    save: save.slice(0, AT_ONCE),
    agents: [...agents.values()],
    owners: [...owners].sort(),
  };
}

function ownerStopped(view: FleetView, pool: string, { config, entry }: Resting): boolean {
  const mark = view.uses.in(`${pool}/${config}`).get(entry.value.server);
  return mark === undefined || mark.modRevision > removedAt(entry);
}

/** Ends the rest of IDs, if everything is as it was seen. */
export function freeTransaction(
  keys: Keys,
  view: FleetView,
  free: readonly Resting[],
  { term, desiredRevision }: Pick<DecidedOn, 'term' | 'desiredRevision'>,
): Transaction {
  const removed = Math.max(...free.map(({ entry }) => removedAt(entry)));
  const marks = new Map<string, Condition>();
  for (const { config, entry } of free) {
    const { server } = entry.value;
    const key = keys.use(term.pool, config, server);
    const mark = view.uses.in(`${term.pool}/${config}`).get(server);
    // A mark that comes later is one of a sidecar that knows of the removal.
    marks.set(key, mark === undefined ? absent(key) : unchanged(key, mark.modRevision));
  }
  return {
    when: [
      inTerm(keys, term),
      // The connection age is the one that was seen.
      desiredIs(keys, desiredRevision),
      ...allForgot(keys, view, removed),
      ...free.map(({ entry }) => createdAt(entry.key, entry.createRevision)),
      ...marks.values(),
    ],
    success: free.map(({ entry }) => remove(entry.key)),
  };
}

/** Saves for how long IDs have been at rest. */
export function saveTransaction(keys: Keys, save: RestDecision['save'], term: Term): Transaction {
  return {
    when: [inTerm(keys, term), ...save.map(({ entry }) => unchanged(entry.key, entry.modRevision))],
    success: save.map(({ entry, seconds }) =>
      put(entry.key, valueText({ ...entry.value, restedSeconds: seconds })),
    ),
  };
}
