// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ifindex, objectPath, requireKernelSupport, type XdpMode } from '../bpf/index.js';
import { Balancer, buildRing, GRACE_MS, objectMark, type Settings } from '../bpf/tables/index.js';
import { CidecarError } from '../cid/index.js';
import type { DesiredState } from '../registry/index.js';
import { Applier, type Egress } from './apply.js';
import { type Assigned, type Assignment, assign, NO_ASSIGNMENT } from './assign.js';
import { Attachment } from './attachment.js';
import { capacityFor, capacityOf, type Occupied, poolRingSize } from './capacity.js';
import type { HostInterface } from './host-interface.js';
import { NO_TABLES, type Tables } from './model.js';
import { REPLY, sameHop } from './next-hops.js';
import { newOwners } from './owners.js';
import type { PinFolder } from './pins.js';
import { describeOperation, plan } from './plan.js';
import { Quarantine } from './quarantine.js';
import { readTables } from './readback.js';
import { RingCache } from './ring-cache.js';
import { type AgentState, readStateFile, stateOf, writeStateFile } from './state-file.js';

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
interface Generation {
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
  #quarantine: Quarantine;
  #assignment: Assignment = NO_ASSIGNMENT;
  /** What the tables hold; undefined after an operation that failed halfway. */
  #tables: Tables | undefined = NO_TABLES;
  #generation: Generation | undefined;
  readonly #attachment: Attachment;
  #watch: NodeJS.Timeout | undefined;
  /** What is in the state file; of what the agent before wrote, names serve as hints only. */
  #remembered: AgentState | undefined;

  private constructor(options: AgentOptions, attachment: Attachment) {
    this.#options = options;
    this.#attachment = attachment;
    this.#remembered = readStateFile(options.stateFile);
    const { resting = [], generations = [] } = this.#remembered ?? {};
    this.#quarantine = this.#newQuarantine(resting, new Map(generations));
    if (this.#remembered !== undefined) {
      const { pools, servers } = this.#remembered;
      this.#assignment = {
        pools: new Map(pools.map(({ name, index }) => [name, index])),
        reals: new Map(servers.map(({ name, real }) => [name, real])),
      };
    }
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
    const generation = this.#generation;
    if (generation === undefined) throw new Error('the agent was not started');
    this.#attachment.check(generation.balancer.program);
    try {
      const actual = this.#tables ?? readTables(generation.balancer, desired);
      this.#tables = actual;
      const assigned = this.#assign(desired, actual, capacityOf(generation.balancer));
      this.#apply(generation, actual, assigned, desired);
    } catch (error) {
      if (!(error instanceof CidecarError) || error.code !== 'MAP_FULL') throw error;
      this.#options.log.info({ table: error.message }, 'tables are full; loading larger ones');
      await this.#replace(desired);
    }
  }

  /** Makes reals leave by the next hops that hold now. */
  refreshNextHops(): void {
    const { balancer } = this.#generation ?? {};
    if (balancer === undefined || this.#tables === undefined) return;
    for (const { index, nextHop } of balancer.reals()) {
      const real = this.#tables.reals.get(index);
      if (real === undefined) continue;
      const wanted = this.#options.egress.nextHop(real);
      // Without one, an l2 server is down; it keeps the last until then, for no other is right.
      if (wanted === null && real.encapsulation === 'l2') continue;
      if (!sameHop(wanted ?? REPLY, nextHop)) balancer.setNextHop(index, wanted ?? REPLY);
    }
  }

  /** Whether the link still holds the program to the interface. */
  attached(): boolean {
    return this.#attachment.attached();
  }

  get balancer(): Balancer | undefined {
    return this.#generation?.balancer;
  }

  get remembered(): AgentState | undefined {
    return this.#remembered;
  }

  /** Lets go of every handle; what is pinned stays and carries traffic on. */
  close(): void {
    clearInterval(this.#watch);
    this.#generation?.balancer.close();
    this.#generation = undefined;
    this.#attachment.close();
  }

  async #start(desired: DesiredState): Promise<void> {
    await this.#takeOver(desired);
    const { balancer } = this.#generation ?? {};
    if (balancer === undefined) throw new Error('no tables were loaded');
    if (!this.#attachment.attached()) this.#attachment.use(balancer.program);
    this.#attachment.changeMode(balancer.program);
    if (this.#remembered?.mode !== this.#attachment.mode) this.#rememberMode();
    this.#watch = setInterval(
      () => this.#generation && this.#attachment.check(this.#generation.balancer.program),
      this.#options.watchMs ?? WATCH_MS,
    ).unref();
  }

  async #takeOver(desired: DesiredState): Promise<void> {
    const { pins, log } = this.#options;
    const { programId } = this.#attachment;
    if (programId === undefined) pins.tidy(undefined);
    const pinned = programId === undefined ? undefined : this.#openGeneration(programId);
    if (pinned === undefined) {
      await this.#replace(desired);
      return;
    }
    this.#generation = pinned;
    this.#tables = readTables(pinned.balancer, desired);
    this.#recall(pinned.balancer);
    const reason = this.#outdated(pinned.balancer);
    if (reason !== undefined) {
      log.info({ reason }, 'replacing the attached program and its tables');
      await this.#replace(desired);
      return;
    }
    pinned.balancer.setSettings(this.#options.settings);
    await this.reconcile(desired);
    this.refreshNextHops();
  }

  /**
   * The tables of the attached program; undefined where they cannot be gone on with. Then the
   * program goes on, and with it what is pinned of it, until ours takes its place.
   */
  #openGeneration(programId: number): Generation | undefined {
    const { pins, egress, log } = this.#options;
    const number = pins.findGeneration(programId);
    pins.tidy(number);
    try {
      if (number === undefined) throw new CidecarError('PIN_INVALID', 'they are not pinned');
      const balancer = Balancer.openPinned(pins.generationPath(number));
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
    const old = this.#generation;
    const actual = this.#tables ?? (old ? readTables(old.balancer, desired) : NO_TABLES);
    const balancer = await Balancer.load(
      capacityFor(desired, flowsPerCpu, this.#occupied(actual)),
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
      this.#remember(desired, assigned, actual);
      zeroCounters(balancer, actual, assigned.target);
      const applier = new Applier(balancer, egress);
      for (const operation of plan(NO_TABLES, assigned.target)) applier.apply(operation);
      // What is free in the new tables may have flows from when it was not.
      for (const [index, generation] of this.#quarantine.generations()) {
        if (!assigned.target.reals.has(index)) balancer.noteGeneration(index, generation);
      }
      finishCopy = old && balancer.copyCounters(old.balancer);
      number = pins.publish(balancer);
      this.#attachment.use(balancer.program);
      this.#generation = { balancer, applier, number };
      this.#settle(actual, assigned);
    } catch (error) {
      balancer.close();
      if (number !== undefined) pins.removeGeneration(number);
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

  #apply(generation: Generation, actual: Tables, assigned: Assigned, desired: DesiredState): void {
    const { log } = this.#options;
    const operations = plan(actual, assigned.target);
    // Before the first operation: whoever comes after must know what may already rest.
    this.#remember(desired, assigned, actual);
    this.#tables = undefined;
    zeroCounters(generation.balancer, actual, assigned.target);
    for (const operation of operations) {
      log.debug(describeOperation(operation), 'applying');
      generation.applier.apply(operation);
    }
    generation.balancer.sweep();
    this.#settle(actual, assigned);
    if (operations.length > 0) log.info({ operations: operations.length }, 'kernel tables changed');
  }

  /** The kernel holds the target now. */
  #settle(actual: Tables, { assignment, target }: Assigned): void {
    this.#tables = target;
    this.#assignment = assignment;
    for (const [index, { generation }] of target.reals) this.#quarantine.used(index, generation);
    for (const index of actual.reals.keys()) {
      if (!target.reals.has(index)) this.#quarantine.rest(index);
    }
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
      previous: this.#assignment,
      quarantine: this.#quarantine,
      buildRing: (pool, servers) => this.#rings.ring(pool.name, servers, poolRingSize(pool)),
    });
  }

  #remember(desired: DesiredState, assigned: Assigned, actual: Tables): void {
    const { stateFile, interface: host, restMs } = this.#options;
    const { mode } = this.#attachment;
    const now = this.#now();
    const leaving = [...actual.reals.keys()].filter((index) => !assigned.target.reals.has(index));
    const resting = [
      ...this.#quarantine.resting().filter(({ index }) => !assigned.target.reals.has(index)),
      ...leaving.map((index) => ({ index, until: now + restMs })),
    ];
    const generations = new Map(this.#quarantine.generations());
    for (const [index, { generation }] of assigned.target.reals) {
      generations.set(index, generation);
    }
    const state = stateOf(desired, assigned, {
      interface: host.name,
      mode,
      resting,
      generations: [...generations],
    });
    writeStateFile(stateFile, state);
    this.#remembered = state;
  }

  #rememberMode(): void {
    if (this.#remembered === undefined) return;
    this.#remembered = { ...this.#remembered, mode: this.#attachment.mode };
    writeStateFile(this.#options.stateFile, this.#remembered);
  }

  #occupied(actual: Tables): Occupied {
    // Whoever takes an index again must know its last generation, so each keeps its place.
    const used = this.#quarantine.generations().keys();
    return {
      vips: [...actual.vips.values()].reduce((most, { row }) => Math.max(most, row), 0),
      pools: [...actual.pools.keys()].reduce((most, index) => Math.max(most, index + 1), 0),
      reals: [...actual.reals.keys(), ...used].reduce((most, index) => Math.max(most, index), 0),
    };
  }

  /**
   * What the kernel knows of indices comes before what the file says. Without a file nobody
   * knows what rests, so everything that was used does.
   */
  #recall(balancer: Balancer): void {
    const generations = new Map(this.#quarantine.generations());
    const unprogrammed: number[] = [];
    for (let index = 1; index < capacityOf(balancer).reals; index++) {
      const generation = balancer.generation(index);
      if (generation === 0) continue;
      generations.set(index, generation);
      if (balancer.real(index) === undefined) unprogrammed.push(index);
    }
    const until = this.#now() + this.#options.restMs;
    const resting =
      this.#remembered === undefined
        ? unprogrammed.map((index) => ({ index, until }))
        : this.#quarantine.resting();
    this.#quarantine = this.#newQuarantine(resting, generations);
  }

  #newQuarantine(
    resting: readonly { index: number; until: number }[],
    generations: ReadonlyMap<number, number>,
  ): Quarantine {
    return new Quarantine(this.#options.restMs, () => this.#now(), resting, generations);
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/** Nothing counts in these places: the owners of before were taken away in an earlier change. */
function zeroCounters(balancer: Balancer, actual: Tables, target: Tables): void {
  const { rows, reals } = newOwners(actual, target);
  for (const row of rows) balancer.zeroVipCounters(row);
  for (const index of reals) balancer.zeroRealCounter(index);
}
