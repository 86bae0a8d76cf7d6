// SPDX-License-Identifier: Apache-2.0
import type { Balancer, XdpMode } from '../../bpf/index.js';
import type { DesiredState } from '../../registry/index.js';
import { capacityOf, type Occupied } from '../drivers/xdp/capacity.js';
import { type Assigned, type Assignment, NO_ASSIGNMENT } from '../reconcile/assign.js';
import { IndexCooldown } from '../reconcile/index-cooldown.js';
import type { Tables } from '../reconcile/model.js';
import { type AgentState, readStateFile, stateOf, writeStateFile } from './state-file.js';

export interface MemoryOptions {
  readonly stateFile: string;
  /** Milliseconds for which an index of a real rests after its use. */
  readonly restMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * What the agent knows beside the tables: which name has which index, which indices rest, and
 * which incarnation each had last. Kept in the state file; whatever the kernel says otherwise
 * comes first, and what the agent before wrote of names serves as a hint only.
 */
export class Memory {
  readonly #options: MemoryOptions;
  #cooldown: IndexCooldown;
  #assignment: Assignment = NO_ASSIGNMENT;
  #state: AgentState | undefined;

  constructor(options: MemoryOptions) {
    this.#options = options;
    this.#state = readStateFile(options.stateFile);
    const { resting = [], incarnations = [], pools = [], servers = [] } = this.#state ?? {};
    this.#cooldown = new IndexCooldown(options.restMs, options.now, resting, new Map(incarnations));
    this.#assignment = {
      pools: new Map(pools.map(({ name, index }) => [name, index])),
      reals: new Map(servers.map(({ name, real }) => [name, real])),
    };
  }

  /** What is in the state file. */
  get state(): AgentState | undefined {
    return this.#state;
  }

  get assignment(): Assignment {
    return this.#assignment;
  }

  get cooldown(): IndexCooldown {
    return this.#cooldown;
  }

  /**
   * Learns from the tables that are pinned. Without a state file nobody knows what rests, so
   * everything that was used does.
   */
  recall(balancer: Balancer): void {
    const { restMs, now } = this.#options;
    const incarnations = new Map(this.#cooldown.incarnations());
    const unprogrammed: number[] = [];
    for (let index = 1; index < capacityOf(balancer).reals; index++) {
      const incarnation = balancer.incarnation(index);
      if (incarnation === 0) continue;
      incarnations.set(index, incarnation);
      if (balancer.real(index) === undefined) unprogrammed.push(index);
    }
    const until = now() + restMs;
    const resting =
      this.#state === undefined
        ? unprogrammed.map((index) => ({ index, until }))
        : this.#cooldown.resting();
    this.#cooldown = new IndexCooldown(restMs, now, resting, incarnations);
  }

  /** Places that tables must have: those in use, and those that were. */
  occupied(actual: Tables): Occupied {
    // Whoever takes an index again must know its last incarnation, so each keeps its place.
    const used = this.#cooldown.incarnations().keys();
    return {
      vips: [...actual.vips.values()].reduce((most, { row }) => Math.max(most, row), 0),
      pools: [...actual.pools.keys()].reduce((most, index) => Math.max(most, index + 1), 0),
      reals: [...actual.reals.keys(), ...used].reduce((most, index) => Math.max(most, index), 0),
    };
  }

  /**
   * To be called before the first change of the tables, by an agent that may not live until
   * the last: whoever comes after must know what may already rest.
   */
  before(
    { assigned, actual, desired }: { assigned: Assigned; actual: Tables; desired: DesiredState },
    about: Pick<AgentState, 'interface' | 'mode'>,
  ): void {
    // Also what a change that failed halfway has left.
    this.#use(actual);
    const { restMs, now } = this.#options;
    const { target } = assigned;
    const until = now() + restMs;
    const leaving = [...actual.reals.keys()].filter((index) => !target.reals.has(index));
    const resting = [
      ...this.#cooldown.resting().filter(({ index }) => !target.reals.has(index)),
      ...leaving.map((index) => ({ index, until })),
    ];
    const incarnations = new Map(this.#cooldown.incarnations());
    for (const [index, { incarnation }] of target.reals) incarnations.set(index, incarnation);
    this.#write(stateOf(desired, assigned, { ...about, resting, incarnations: [...incarnations] }));
  }

  /** The kernel holds the target now. */
  after(actual: Tables, { assignment, target }: Assigned): void {
    this.#assignment = assignment;
    this.#use(target);
    for (const index of actual.reals.keys()) {
      if (!target.reals.has(index)) this.#cooldown.rest(index);
    }
  }

  /** Notes how the program is attached. */
  attached(mode: XdpMode): void {
    if (this.#state !== undefined && this.#state.mode !== mode)
      this.#write({ ...this.#state, mode });
  }

  #use(tables: Tables): void {
    for (const [index, { incarnation }] of tables.reals) this.#cooldown.used(index, incarnation);
  }

  #write(state: AgentState): void {
    writeStateFile(this.#options.stateFile, state);
    this.#state = state;
  }
}
