// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ifindex, objectPath, requireKernelSupport, type XdpMode } from '../../bpf/index.js';
import {
  Balancer,
  buildRing,
  GRACE_MS,
  objectMark,
  type Settings,
} from '../../bpf/tables/index.js';
import { CidecarError } from '../../core/index.js';
import type { DesiredState } from '../../registry/index.js';
import { Applier, type Egress } from '../drivers/xdp/apply.js';
import { capacityFor, capacityOf, poolRingSize } from '../drivers/xdp/capacity.js';
import { readTables } from '../drivers/xdp/readback.js';
import { RingCache } from '../drivers/xdp/ring-cache.js';
import { Attachment } from '../installation/attachment.js';
import type { PinFolder } from '../installation/pins.js';
import type { HostInterface } from '../reachability/next-hops/host-interface.js';
import { sameHop } from '../reachability/next-hops/standing.js';
import { Memory } from '../state/memory.js';
import type { AgentState } from '../state/state-file.js';
import { type Assigned, assign } from './assign.js';
import { NO_TABLES, type Tables } from './model.js';
import { newOwners } from './owners.js';
import { describeOperation, plan } from './plan.js';

export interface AgentOptions {
  readonly interface: HostInterface;
  readonly mode: XdpMode;
  readonly pins: PinFolder;
  readonly stateFile: string;
  readonly settings: Partial<Settings>;
  readonly egress: Egress;
  readonly flowsPerCpu: number;
  /** Milliseconds for which an index of a real rests after its use. */
  readonly restMs: number;
  readonly log: Logger;
  /** Milliseconds between looks at whether the program is still attached. */
  readonly watchMs?: number;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** The packet program's object file; default the one that the build made. */
  readonly object?: string;
}

const WATCH_MS = 1000;

/** One set of tables in the kernel, and what the agent knows of it. */
interface TableSet {
  readonly balancer: Balancer;
  readonly applier: Applier;
  /** In the pin folder. */
  readonly number: number;
}

/**
 * Makes the kernel match the desired state. What the kernel holds is the truth to start
 * from: an agent may be killed at any moment, traffic goes on, and the next one heals.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #rings = new RingCache(buildRing);
  readonly #memory: Memory;
  /** What the tables hold; undefined after an operation that failed halfway. */
  #tables: Tables | undefined = NO_TABLES;
  #tableSet: TableSet | undefined;
  readonly #attachment: Attachment;
  #watch: NodeJS.Timeout | undefined;

  private constructor(options: AgentOptions, attachment: Attachment) {
    this.#options = options;
    this.#attachment = attachment;
    this.#memory = new Memory({ ...options, now: options.now ?? Date.now });
  }

  /**
   * Takes over what is pinned, or loads and attaches anew; returns when the kernel matches
   * `desired`. Throws with nothing attached that was not attached before.
   */
  static async start(options: AgentOptions, desired: DesiredState): Promise<Agent> {
    requireKernelSupport();
    options.pins.create();
    const agent = new Agent(options, Attachment.open({ ...options, indexOf: ifindex }));
    try {
      await agent.#start(desired);
    } catch (error) {
      agent.close();
      throw error;
    }
    return agent;
  }

  /** Brings the kernel to another desired state. On an error it can simply be called again. */
  async reconcile(desired: DesiredState): Promise<void> {
    const tableSet = this.#tableSet;
    if (tableSet === undefined) throw new Error('the agent was not started');
    this.#attachment.check(tableSet.balancer.program);
    await this.#bring(tableSet, desired);
  }

  async #bring(tableSet: TableSet, desired: DesiredState): Promise<void> {
    try {
      const actual = this.#tables ?? readTables(tableSet.balancer, desired);
      this.#tables = actual;
      // Before servers come back up, which must not be by the next hop of before.
      this.refreshNextHops();
      const assigned = this.#assign(desired, actual, capacityOf(tableSet.balancer));
      this.#apply(tableSet, actual, assigned, desired);
    } catch (error) {
      if (!(error instanceof CidecarError) || error.code !== 'MAP_FULL') throw error;
      this.#options.log.info({ table: error.message }, 'tables are full; loading larger ones');
      await this.#replace(desired);
    }
  }

  /** Makes reals leave by the next hops that hold now. */
  refreshNextHops(): void {
    const { balancer } = this.#tableSet ?? {};
    if (balancer === undefined || this.#tables === undefined) return;
    for (const { index, nextHop } of balancer.reals()) {
      const real = this.#tables.reals.get(index);
      if (real === undefined) continue;
      const wanted = this.#options.egress.nextHop(real);
      if (wanted !== null && !sameHop(wanted, nextHop)) balancer.setNextHop(index, wanted);
    }
  }

  /** Whether the link still holds the program to the interface. */
  attached(): boolean {
    return this.#attachment.attached();
  }

  get balancer(): Balancer | undefined {
    return this.#tableSet?.balancer;
  }

  get remembered(): AgentState | undefined {
    return this.#memory.state;
  }

  /** Lets go of every handle; what is pinned stays and carries traffic on. */
  close(): void {
    clearInterval(this.#watch);
    this.#tableSet?.balancer.close();
    this.#tableSet = undefined;
    this.#attachment.close();
  }

  async #start(desired: DesiredState): Promise<void> {
    await this.#takeOver(desired);
    const { balancer } = this.#tableSet ?? {};
    if (balancer === undefined) throw new Error('no tables were loaded');
    if (!this.#attachment.attached()) this.#attachment.use(balancer.program);
    this.#attachment.changeMode(balancer.program);
    this.#memory.attached(this.#attachment.mode);
    this.#watch = setInterval(
      () => this.#tableSet && this.#attachment.check(this.#tableSet.balancer.program),
      this.#options.watchMs ?? WATCH_MS,
    ).unref();
  }

  async #takeOver(desired: DesiredState): Promise<void> {
    const { pins, log } = this.#options;
    const { programId } = this.#attachment;
    if (programId === undefined) pins.tidy(undefined);
    const pinned = programId === undefined ? undefined : this.#openTableSet(programId);
    if (pinned === undefined) {
      await this.#replace(desired);
      return;
    }
    this.#tableSet = pinned;
    this.#tables = readTables(pinned.balancer, desired);
    this.#memory.recall(pinned.balancer);
    const reason = this.#outdated(pinned.balancer);
    if (reason !== undefined) {
      log.info({ reason }, 'replacing the attached program and its tables');
      await this.#replace(desired);
      return;
    }
    pinned.balancer.setSettings(this.#options.settings);
    // What is not attached stays so until the tables are right, or for good if they cannot be.
    await this.#bring(pinned, desired);
    this.refreshNextHops();
  }

  /**
   * The tables of the attached program; undefined where they cannot be gone on with. Then the
   * program goes on, and with it what is pinned of it, until ours takes its place.
   */
  #openTableSet(programId: number): TableSet | undefined {
    const { pins, egress, log } = this.#options;
    const number = pins.findTableSet(programId);
    pins.tidy(number);
    try {
      if (number === undefined) throw new CidecarError('PIN_INVALID', 'they are not pinned');
      const balancer = Balancer.openPinned(pins.tableSetPath(number));
      return { balancer, number, applier: new Applier(balancer, egress) };
    } catch (error) {
      if (!(error instanceof CidecarError) || error.code !== 'PIN_INVALID') throw error;
      const reason = error.message;
      log.warn({ reason }, 'cannot take over the tables of the attached program; loading anew');
      return undefined;
    }
  }

  /** Why pinned tables cannot be gone on with, if so. */
  #outdated(balancer: Balancer): string | undefined {
    const { egress, flowsPerCpu, object } = this.#options;
    if (balancer.object !== objectMark(object ?? objectPath('balancer'))) {
      return 'another packet program';
    }
    if (!balancer.hasFlowsPerCpu(flowsPerCpu)) return 'another number of flows';
    const moved = balancer.reals().some(({ source }) => {
      return source !== undefined && source !== egress.source4 && source !== egress.source6;
    });
    return moved ? 'other tunnel source addresses' : undefined;
  }

  /**
   * Loads new tables, fills them, and puts them in the place of the present ones in one step.
   * Flows and counters go on: the new program takes over the maps that hold them.
   */
  async #replace(desired: DesiredState): Promise<void> {
    const { pins, flowsPerCpu, settings, egress, object } = this.#options;
    // Of a running agent: what somebody took away is not put back by the way.
    if (this.#watch !== undefined) this.#attachment.requirePins();
    const old = this.#tableSet;
    const actual = this.#tables ?? (old ? readTables(old.balancer, desired) : NO_TABLES);
    const balancer = await Balancer.load(
      capacityFor(desired, flowsPerCpu, this.#memory.occupied(actual)),
      settings,
      {
        ...(object === undefined ? {} : { object }),
        ...(old === undefined ? {} : { carry: old.balancer }),
      },
    );
    let number: number | undefined;
    let finishCopy: (() => void) | undefined;
    try {
      // Indices stay what they were wherever they fit, for the sake of the flows.
      const assigned = this.#assign(desired, actual, capacityOf(balancer));
      this.#remember({ desired, assigned, actual });
      const applier = new Applier(balancer, egress);
      for (const operation of plan(NO_TABLES, assigned.target)) applier.apply(operation);
      // What is free in the new tables may have flows from when it was not.
      for (const [index, incarnation] of this.#memory.cooldown.incarnations()) {
        if (!assigned.target.reals.has(index)) balancer.noteIncarnation(index, incarnation);
      }
      finishCopy = old && balancer.copyCounters(old.balancer);
      // After the copy, which knows rows and no owners.
      zeroCounters(balancer, actual, assigned.target);
      number = pins.publish(balancer);
      this.#attachment.use(balancer.program);
      this.#tableSet = { balancer, applier, number };
      this.#memory.after(actual, assigned);
      this.#tables = assigned.target;
    } catch (error) {
      balancer.close();
      if (number !== undefined) pins.removeTableSet(number);
      throw error;
    }
    if (old !== undefined) {
      if (finishCopy !== undefined) {
        await sleep(GRACE_MS);
        finishCopy();
      }
      old.balancer.close();
    }
    pins.tidy(number);
  }

  #apply(tableSet: TableSet, actual: Tables, assigned: Assigned, desired: DesiredState): void {
    const { log } = this.#options;
    const operations = plan(actual, assigned.target);
    this.#remember({ desired, assigned, actual });
    this.#tables = undefined;
    zeroCounters(tableSet.balancer, actual, assigned.target);
    for (const operation of operations) {
      log.debug(describeOperation(operation), 'applying');
      tableSet.applier.apply(operation);
    }
    tableSet.balancer.sweep();
    this.#memory.after(actual, assigned);
    this.#tables = assigned.target;
    if (operations.length > 0) log.info({ operations: operations.length }, 'kernel tables changed');
  }

  #assign(
    desired: DesiredState,
    actual: Tables,
    capacity: { vips: number; pools: number; reals: number },
  ): Assigned {
    this.#rings.retain(desired.pools.map(({ name }) => name));
    return assign({
      desired,
      actual,
      capacity,
      previous: this.#memory.assignment,
      cooldown: this.#memory.cooldown,
      buildRing: (pool, servers) => this.#rings.ring(pool.name, servers, poolRingSize(pool)),
    });
  }

  #remember(change: { assigned: Assigned; actual: Tables; desired: DesiredState }): void {
    const { name } = this.#options.interface;
    this.#memory.before(change, { interface: name, mode: this.#attachment.mode });
  }
}

/** Nothing counts in these places: the owners of before were taken away in an earlier change. */
function zeroCounters(balancer: Balancer, actual: Tables, target: Tables): void {
  const { rows, reals } = newOwners(actual, target);
  for (const row of rows) balancer.zeroVipCounters(row);
  for (const index of reals) balancer.zeroRealCounter(index);
}
