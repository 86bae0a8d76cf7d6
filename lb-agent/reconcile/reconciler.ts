// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { CidecarError, SayOnce } from '../../core/index.js';
import type { DesiredState } from '../../registry/index.js';
import { assign } from './assign.js';
import { needFor } from './capacity.js';
import type { Drift } from './drift.js';
import type { Driver, IndexCapacity } from './driver.js';
import type { FindNextHop, Goal } from './goal.js';
import type { Change, IndexLedger } from './index-ledger.js';
import { describeOperation, type Operation } from './operation.js';
import { nextHopChanges, plan, planInstallation } from './plan.js';
import type { Rings } from './ring.js';
import type { Tables } from './tables.js';

export interface ReconcilerOptions {
  readonly driver: Driver;
  readonly ledger: IndexLedger;
  readonly rings: Rings;
  /** Throws where this host cannot do what a document wants: said before anything changes. */
  readonly check: (desired: DesiredState) => void;
  readonly log: Logger;
}

/** What the agent knows of the tables that are in force. */
type Knowledge =
  | { readonly kind: 'known'; readonly tables: Tables }
  /** Nobody has read them yet, or an operation failed halfway. */
  | { readonly kind: 'in doubt' };

const IN_DOUBT: Knowledge = { kind: 'in doubt' };

/**
 * Brings the tables of a driver to a goal. What they hold is the truth to start from: an agent
 * may be killed at any moment, traffic goes on, and the next agent heals.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  #knowledge: Knowledge = IN_DOUBT;
  /** That tables are full, until larger ones are in their place. */
  readonly #full = new SayOnce();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /**
   * Returns when the tables match. After an error it can simply be called again. One call at
   * a time.
   */
  async reconcile(goal: Goal): Promise<void> {
    const { driver, check, log } = this.#options;
    this.#read(goal);
    const capacity = driver.capacity();
    if (capacity !== null) this.#setNextHops(goal);
    check(goal.desired);
    if (capacity === null) {
      await this.#install(goal);
      return;
    }
    try {
      await this.#changeInPlace(goal, capacity);
    } catch (error) {
      if (!(error instanceof CidecarError) || error.code !== 'MAP_FULL') throw error;
      // While they cannot be loaded, the last word is why not, and not this at each attempt.
      if (this.#full.isNews(error)) {
        log.info({ table: error.message }, 'tables are full; loading larger ones');
      }
      await this.#install(goal);
      this.#full.over();
    }
  }

  /**
   * One pass over the tables, a small step at a time: whatever others have changed in them is
   * mended and then yielded. It returns true at the end of the tables, and false where they are
   * not known, or a change came in between; then begin another pass.
   * @throws where drift cannot be mended; the next {@link reconcile} then reads everything anew
   */
  *audit(): Generator<Drift | null, boolean, void> {
    const knowledge = this.#knowledge;
    if (knowledge.kind !== 'known') return false;
    const { driver } = this.#options;
    try {
      for (const drift of driver.check(knowledge.tables)) {
        for (const operation of drift?.operations ?? []) driver.apply(operation);
        yield drift;
        if (this.#knowledge !== knowledge) return false;
      }
    } catch (error) {
      if (this.#knowledge === knowledge) this.#knowledge = IN_DOUBT;
      throw error;
    }
    return true;
  }

  #read({ desired }: Goal): Tables {
    if (this.#knowledge.kind === 'known') return this.#knowledge.tables;
    const { driver, ledger } = this.#options;
    const tables = driver.read(desired);
    ledger.learn(tables);
    this.#knowledge = { kind: 'known', tables };
    return tables;
  }

  /**
   * Sets next hops ahead of everything else, and without a record: packets must find them also
   * while the document cannot be applied. It is step 3 of the plan alone. The tables are the
   * same otherwise, so its operations can come in any order.
   */
  #setNextHops(goal: Goal): void {
    const actual = this.#read(goal);
    const target = withNextHops(actual, goal.nextHop);
    this.#apply([...nextHopChanges(actual, target)], target);
  }

  async #changeInPlace(goal: Goal, capacity: IndexCapacity): Promise<void> {
    const { ledger, log } = this.#options;
    const change = this.#changeTo(goal, capacity);
    const { target } = change.assigned;
    const operations = plan(change.actual, target);
    await ledger.begin(change);
    this.#apply(operations, target);
    ledger.end(change);
    const changes = operations.filter(changesTables);
    if (changes.length > 0) {
      log.info({ operations: changes.length, kinds: kindsOf(changes) }, 'kernel tables changed');
    }
  }

  async #install(goal: Goal): Promise<void> {
    const { driver, ledger } = this.#options;
    const actual = this.#read(goal);
    const used = ledger.cooldown.incarnations().keys();
    const need = needFor(goal.desired, actual, used);
    // Indices stay what they were, for the sake of flows and counters.
    const change = this.#changeTo(goal, need.indices);
    const { target } = change.assigned;
    await ledger.begin(change);
    this.#knowledge = IN_DOUBT;
    await driver.install(need, planInstallation(actual, target));
    this.#knowledge = { kind: 'known', tables: target };
    ledger.end(change);
  }

  #changeTo(goal: Goal, capacity: IndexCapacity): Change {
    const { ledger, rings } = this.#options;
    const actual = this.#read(goal);
    rings.retain(goal.desired.pools);
    const assigned = assign({
      goal,
      actual,
      capacity,
      previous: ledger.assignment,
      cooldown: ledger.cooldown,
      buildRing: rings.build,
    });
    return { goal, actual, assigned };
  }

  #apply(operations: readonly Operation[], target: Tables): void {
    const { driver, log } = this.#options;
    this.#knowledge = IN_DOUBT;
    for (const operation of operations) {
      if (changesTables(operation)) log.debug(describeOperation(operation), 'applying');
      driver.apply(operation);
    }
    this.#knowledge = { kind: 'known', tables: target };
  }
}

/** How many there are of each kind. */
function kindsOf(operations: readonly Operation[]): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const { kind } of operations) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return kinds;
}

function changesTables({ kind }: Operation): boolean {
  return kind !== 'sweep';
}

function withNextHops(tables: Tables, nextHop: FindNextHop): Tables {
  const reals = [...tables.reals].map(([index, real]) => {
    return [index, { ...real, nextHop: nextHop(real) ?? real.nextHop }] as const;
  });
  return { ...tables, reals: new Map(reals) };
}
