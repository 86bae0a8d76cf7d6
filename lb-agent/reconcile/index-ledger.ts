// SPDX-License-Identifier: Apache-2.0
import { type Assigned, type Assignment, NO_ASSIGNMENT } from './assign.js';
import type { Goal } from './goal.js';
import { IndexCooldown } from './index-cooldown.js';
import { type AgentRecord, type Attached, namesOf, type RecordStore } from './record.js';
import type { Tables } from './tables.js';

export interface IndexLedgerOptions {
  readonly store: RecordStore;
  /** Milliseconds for which an index of a real is not used after its last use. */
  readonly cooldownMs: number;
  /** How the balancer is attached, for the record. */
  readonly attached: () => Attached;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** A change of the tables that is about to begin, or done. */
export interface Change {
  readonly goal: Goal;
  readonly actual: Tables;
  readonly assigned: Assigned;
}

/**
 * Who has which index, which indices are in cooldown, and which incarnation each had last. Whatever the
 * tables say otherwise comes first; what an earlier agent recorded of names is a hint.
 */
export class IndexLedger {
  readonly #options: IndexLedgerOptions;
  readonly #cooldown: IndexCooldown;
  #assignment: Assignment = NO_ASSIGNMENT;
  #record: AgentRecord | undefined;

  constructor(options: IndexLedgerOptions) {
    const { store, cooldownMs, now } = options;
    this.#options = options;
    this.#record = store.read();
    const { cooldowns = [], incarnations = [], pools = [], servers = [] } = this.#record ?? {};
    this.#cooldown = new IndexCooldown(cooldownMs, now, cooldowns, new Map(incarnations));
    this.#assignment = {
      pools: new Map(pools.map(({ name, index }) => [name, index])),
      reals: new Map(servers.map(({ name, real }) => [name, real])),
    };
  }

  /** As it is stored. */
  get record(): AgentRecord | undefined {
    return this.#record;
  }

  get assignment(): Assignment {
    return this.#assignment;
  }

  get cooldown(): IndexCooldown {
    return this.#cooldown;
  }

  /**
   * Takes in tables that were read. Without a record nobody knows which indices are in cooldown,
   * so every index that was used once and is not in use now goes into it.
   */
  learn({ reals, vacated }: Tables): void {
    for (const [index, { incarnation }] of reals) this.#cooldown.used(index, incarnation);
    for (const [index, incarnation] of vacated) {
      this.#cooldown.vacated(index, incarnation);
      if (this.#record === undefined) this.#cooldown.start(index);
    }
  }

  /**
   * Records a change before its first operation. The agent may die before the last one, and
   * the next agent must know which indices may be in cooldown, and which incarnations are used.
   */
  async begin({ goal, actual, assigned }: Change): Promise<void> {
    const { target, assignment } = assigned;
    for (const [index, { incarnation }] of actual.reals) this.#cooldown.used(index, incarnation);
    this.#startCooldowns(actual, target);
    const incarnations = new Map(this.#cooldown.incarnations());
    for (const [index, { incarnation }] of target.reals) incarnations.set(index, incarnation);
    await this.#write({
      ...this.#options.attached(),
      ...namesOf(goal, assignment),
      cooldowns: this.#cooldown.running().filter(({ index }) => !target.reals.has(index)),
      incarnations: [...incarnations],
    });
  }

  /** The tables hold the target now. The cooldown of indices that are no more in use begins. */
  end({ actual, assigned: { assignment, target } }: Change): void {
    this.#assignment = assignment;
    for (const [index, { incarnation }] of target.reals) this.#cooldown.used(index, incarnation);
    this.#startCooldowns(actual, target);
  }

  /** Records how the balancer is attached, where that has changed. */
  async noteAttached(): Promise<void> {
    const attached = this.#options.attached();
    const record = this.#record;
    if (record === undefined) return;
    if (record.mode === attached.mode && record.interface === attached.interface) return;
    await this.#write({ ...record, ...attached });
  }

  #startCooldowns(actual: Tables, target: Tables): void {
    for (const index of actual.reals.keys()) {
      if (!target.reals.has(index)) this.#cooldown.start(index);
    }
  }

  async #write(record: AgentRecord): Promise<void> {
    await this.#options.store.write(record);
    this.#record = record;
  }
}
