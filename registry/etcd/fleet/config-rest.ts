// SPDX-License-Identifier: Apache-2.0
import type { Allocation, Pool } from '../../types.js';
import { put, remove, type Transaction, unchanged } from '../client/index.js';
import { type Keys, type QuarantineValue, valueText } from '../layout/index.js';
import type { Clocks } from './clocks.js';
import { inTerm, type Term } from './controller.js';
import type { Entry } from './fleet-table.js';
import type { FleetView } from './fleet-view.js';
import { DEFAULT_CONNECTION_AGE } from './rotation/situation.js';

// AGE of configs: a command that ends has no clock, so the controller of the pool says for how
// long a config has been in quarantine, and the transaction that removes it compares that.

/** The parts of a connection age after which the seconds are saved. */
const SAVES = 8;

/** Seconds for which a config has to be in quarantine. */
export function configRestOf(allocation: Allocation | undefined): number {
  return allocation?.connectionAge ?? DEFAULT_CONNECTION_AGE;
}

/** Whether that is over for the quarantine that began at a revision of the config's key. */
export function hasRested(
  entry: Entry<QuarantineValue> | undefined,
  modRevision: number,
  seconds: number,
): boolean {
  return entry?.value.of === modRevision && entry.value.seconds >= seconds;
}

/**
 * What the controller writes next of the quarantines of a pool; undefined where all is said.
 *
 * @param revisions of the keys of the quarantined configs, by their IDs
 */
export function noteQuarantines(
  keys: Keys,
  pool: Pool,
  revisions: ReadonlyMap<number, number>,
  { view, clocks, term }: { view: FleetView; clocks: Clocks; term: Term },
): Transaction | undefined {
  const age = configRestOf(pool.allocation);
  const prefix = `quarantine ${pool.name}/`;
  clocks.retain((what) => {
    return !what.startsWith(prefix) || revisions.has(Number(what.slice(prefix.length)));
  });
  const noted = view.quarantines.in(pool.name);
  for (const [id, { key }] of noted) {
    if (!revisions.has(Number(id))) return { when: [inTerm(keys, term)], success: [remove(key)] };
  }
  for (const [id, revision] of revisions) {
    const entry = noted.get(String(id));
    const saved = entry?.value.of === revision ? entry.value.seconds : 0;
    // QUARANTINE_SEEN: a clock of another quarantine says nothing of this one.
    const seconds = clocks.elapsed(`${prefix}${id}`, revision, 1000 * saved) / 1000;
    if (saved >= age || (seconds < age && seconds - saved < age / SAVES)) continue;
    const text = valueText({ of: revision, seconds: Math.floor(seconds) });
    return {
      when: [inTerm(keys, term), unchanged(keys.config(pool.name, id), revision)],
      success: [put(keys.quarantine(pool.name, id), text)],
    };
  }
  return undefined;
}
