// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ifindex, objectPath, type XdpMode } from '../../../bpf/index.js';
import { Balancer, GRACE_MS, objectMark, type Settings } from '../../../bpf/tables/index.js';
import { CidecarError } from '../../../core/index.js';
import type { DesiredState } from '../../../registry/index.js';
import { Attachment, type HostLink } from '../../installation/attachment.js';
import type { PinFolder } from '../../installation/pins.js';
import type { Drift } from '../../reconcile/drift.js';
import type { CapacityNeed, Driver, IndexCapacity } from '../../reconcile/driver.js';
import type { InstallOperation, Operation } from '../../reconcile/operation.js';
import { NO_TABLES, type Tables } from '../../reconcile/tables.js';
import { Applier, type ServerMtus, type TunnelSources } from './apply.js';
import { capacityFor, capacityOf } from './capacity.js';
import { auditedSettings, checkSettings, checkTables } from './check.js';
import { readTables } from './read.js';

export interface XdpDriverOptions {
  readonly interface: HostLink;
  readonly mode: XdpMode;
  readonly pins: PinFolder;
  /** To begin with; see {@link XdpDriver.useSettings}. */
  readonly settings: Partial<Settings>;
  readonly serverMtus?: ServerMtus;
  /** To begin with; see {@link XdpDriver.useSources}. */
  readonly sources: TunnelSources;
  readonly flowsPerCpu: number;
  readonly log: Logger;
  /** Milliseconds between looks at whether the program is still attached. */
  readonly watchMs?: number;
  /** Whether what is not attached waits for {@link XdpDriver.attach}. */
  readonly attachLater?: boolean;
  /** The packet program's object file; default the one that the build made. */
  readonly object?: string;
}

const WATCH_MS = 1000;

/** One set of tables in the kernel, and how operations reach it. */
interface TableSet {
  readonly balancer: Balancer;
  readonly applier: Applier;
  /**
   * Whether another has to take its place: its program, its number of flows or its tunnel sources
   * are not what is wanted. Settings are no reason, since they change in place.
   */
  readonly outdated: boolean;
}

/**
 * The XDP balancer of one interface: its program, the tables and the link that are pinned for
 * it. What is pinned outlives the driver and carries traffic on.
 */
export class XdpDriver implements Driver {
  readonly #options: XdpDriverOptions;
  readonly #attachment: Attachment;
  #tableSet: TableSet | undefined;
  #settings: Partial<Settings>;
  #sources: TunnelSources;
  #watch: NodeJS.Timeout | undefined;
  /** Number of the table set that waits to be attached, and that nothing uses if it never is. */
  #unattached: number | undefined;

  /**
   * Opens what is pinned. Nothing is attached or replaced yet; what cannot be told to be ours
   * is left to {@link install}.
   * @throws CidecarError PIN_INVALID where the pins are those of another interface
   */
  constructor(options: XdpDriverOptions) {
    const { pins } = options;
    pins.create();
    this.#options = options;
    this.#settings = options.settings;
    this.#sources = options.sources;
    let attachment: Attachment | undefined;
    try {
      attachment = Attachment.open({ ...options, indexOf: ifindex });
      this.#attachment = attachment;
      this.#tableSet = this.#takeOver();
    } catch (error) {
      attachment?.close();
      pins.undoCreate();
      throw error;
    }
  }

  /** Of the tables in force, for those who watch them. */
  get balancer(): Balancer | undefined {
    return this.#tableSet?.balancer;
  }

  /** How the program is attached, or is going to be. */
  get mode(): XdpMode {
    return this.#attachment.mode;
  }

  read(desired: DesiredState): Tables {
    if (this.#tableSet === undefined) return NO_TABLES;
    const { balancer, applier } = this.#tableSet;
    const tables = readTables(balancer, desired, applier.rings);
    applier.renumberRings(tables.rings.keys());
    return tables;
  }

  apply(operation: Operation): void {
    if (this.#tableSet === undefined) throw new Error('there are no tables');
    this.#tableSet.applier.apply(operation);
    if (operation.kind === 'restore-settings')
      this.#tableSet.balancer.setSettings(auditedSettings(this.#settings));
  }

  /** Tables that are about to be replaced are not looked at. */
  *check(expected: Tables): Generator<Drift | null, void, void> {
    if (this.#tableSet?.outdated !== false) return;
    yield checkSettings(this.#tableSet.balancer, this.#settings);
    yield* checkTables(this.#tableSet, expected);
  }

  capacity(): IndexCapacity | null {
    if (this.#tableSet === undefined || this.#tableSet.outdated) return null;
    return capacityOf(this.#tableSet.balancer);
  }

  async install(need: CapacityNeed, operations: readonly InstallOperation[]): Promise<void> {
    const { pins, flowsPerCpu, object } = this.#options;
    this.#requirePins();
    const old = this.#tableSet?.balancer;
    const balancer = await Balancer.load(capacityFor(need, flowsPerCpu), this.#settings, {
      ...(object === undefined ? {} : { object }),
      ...(old === undefined ? {} : { carry: old }),
    });
    let number: number | undefined;
    let finishCounters: (() => void) | undefined;
    try {
      const applier = this.#applierOf(balancer);
      // They may have changed while it was loaded.
      balancer.setSettings(this.#settings);
      for (const operation of operations) {
        if (operation.kind !== 'carry-counters') applier.apply(operation);
        else if (old !== undefined) finishCounters = balancer.copyCounters(old);
      }
      // They may have been taken away while the program was loaded.
      this.#requirePins();
      number = pins.publish(balancer);
      if (this.#mayAttach) this.#attachment.use(balancer.program);
      else this.#unattached = number;
      this.#tableSet = { balancer, applier, outdated: false };
    } catch (error) {
      balancer.close();
      if (number !== undefined) pins.removeTableSet(number);
      throw error;
    }
    try {
      if (finishCounters !== undefined) {
        await sleep(GRACE_MS);
        finishCounters();
      }
    } finally {
      old?.close();
      pins.tidy(number);
    }
  }

  /**
   * Attaches the program where it is not, and in the wanted mode; from then on keeps it
   * attached. To be called when its tables are right.
   * @throws CidecarError; {@link abandon} then takes back what was attached
   */
  attach(): void {
    const { watchMs = WATCH_MS } = this.#options;
    const program = this.#tableSet?.balancer.program;
    if (program === undefined) throw new Error('there are no tables');
    if (!this.attached()) this.#attachment.use(program);
    this.#unattached = undefined;
    this.#attachment.changeMode(program);
    this.#watch = setInterval(() => this.checkAttached(), watchMs).unref();
  }

  /** Attaches again what was attached and is no more. */
  checkAttached(): void {
    if (this.#tableSet !== undefined && this.#watch !== undefined) {
      this.#attachment.check(this.#tableSet.balancer.program);
    }
  }

  /** Whether the link still holds the program to the interface. */
  attached(): boolean {
    return this.#attachment.attached();
  }

  /** From now on these settings hold, and the others as they were. */
  useSettings(settings: Partial<Settings>): void {
    this.#settings = { ...this.#settings, ...settings };
    if (this.#tableSet?.outdated === false) this.#tableSet.balancer.setSettings(settings);
  }

  /** Tunnels come from these addresses, as soon as the next goal is reached. */
  useSources(sources: TunnelSources): void {
    this.#sources = sources;
    if (this.#tableSet === undefined) return;
    const { balancer, applier, outdated } = this.#tableSet;
    applier.useSources(sources);
    this.#tableSet = {
      balancer,
      applier,
      outdated: outdated || this.#hasOtherSources(balancer),
    };
  }

  /** Lets go of every handle; what is pinned stays. */
  close(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
    this.#tableSet?.balancer.close();
    this.#tableSet = undefined;
    this.#attachment.close();
  }

  /** Like {@link close}, after a start that failed: what was not attached before is not after. */
  abandon(): void {
    this.#attachment.undo();
    this.close();
    if (this.#unattached !== undefined) this.#options.pins.removeTableSet(this.#unattached);
    this.#options.pins.undoCreate();
  }

  #takeOver(): TableSet | undefined {
    const { pins, log } = this.#options;
    const { programId } = this.#attachment;
    if (programId === undefined) {
      pins.tidy(undefined);
      return undefined;
    }
    const balancer = this.#openPinned(programId);
    if (balancer === undefined) return undefined;
    const reason = this.#reasonToReplace(balancer);
    const applier = this.#applierOf(balancer);
    if (reason === undefined) {
      // Outside of the plan; operation.ts says why.
      balancer.setSettings(this.#settings);
      applier.applyServerMtus();
    } else {
      log.info({ reason }, 'replacing the attached program and its tables');
    }
    return { balancer, applier, outdated: reason !== undefined };
  }

  #applierOf(balancer: Balancer): Applier {
    return new Applier(balancer, this.#sources, this.#options.serverMtus);
  }

  /**
   * The tables of the attached program; undefined where they cannot be taken over. Then the
   * program stays attached, and what is pinned of it pinned, until ours takes its place.
   */
  #openPinned(programId: number): Balancer | undefined {
    const { pins, log } = this.#options;
    const number = pins.findTableSet(programId);
    pins.tidy(number);
    try {
      if (number === undefined) throw new CidecarError('PIN_INVALID', 'they are not pinned');
      return Balancer.openPinned(pins.tableSetPath(number));
    } catch (error) {
      if (!(error instanceof CidecarError) || error.code !== 'PIN_INVALID') throw error;
      const reason = error.message;
      log.warn({ reason }, 'cannot take over the tables of the attached program; loading anew');
      return undefined;
    }
  }

  #reasonToReplace(balancer: Balancer): string | undefined {
    const { flowsPerCpu, object } = this.#options;
    if (balancer.object !== objectMark(object ?? objectPath('balancer'))) {
      return 'another packet program';
    }
    if (!balancer.hasFlowsPerCpu(flowsPerCpu)) return 'another number of flows';
    return this.#hasOtherSources(balancer) ? 'other tunnel source addresses' : undefined;
  }

  #hasOtherSources(balancer: Balancer): boolean {
    const { source4, source6 } = this.#sources;
    return balancer.reals().some(({ source }) => {
      return source !== undefined && source !== source4 && source !== source6;
    });
  }

  /** Whether new tables may take packets at once. */
  get #mayAttach(): boolean {
    return !this.#options.attachLater || this.attached() || this.#watch !== undefined;
  }

  /**
   * After the program was attached, throws PIN_INVALID if its pins are gone. Somebody removed
   * them, perhaps on purpose, and installing new tables would bring them back.
   */
  #requirePins(): void {
    if (this.#watch !== undefined) this.#attachment.requirePins();
  }
}
