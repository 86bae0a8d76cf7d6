// SPDX-License-Identifier: Apache-2.0
import { requireKernelSupport } from '../bpf/index.js';
import type { Balancer, Settings } from '../bpf/tables/index.js';
import type { DesiredState } from '../registry/index.js';
import type { TunnelSources } from './drivers/xdp/apply.js';
import { XdpDriver, type XdpDriverOptions } from './drivers/xdp/driver.js';
import { maglevRings } from './drivers/xdp/ring-cache.js';
import type { Drift } from './reconcile/drift.js';
import type { Goal } from './reconcile/goal.js';
import { IndexLedger } from './reconcile/index-ledger.js';
import { Reconciler } from './reconcile/reconciler.js';
import type { AgentRecord } from './reconcile/record.js';
import { StateFile } from './state/state-file.js';

export interface AgentOptions extends XdpDriverOptions {
  readonly stateFile: string;
  /** Milliseconds for which an index of a real is not used after its last use. */
  readonly cooldownMs: number;
  /** Throws where this host cannot do what a document wants. */
  readonly check: (desired: DesiredState) => void;
}

/** The parts of an agent put together: the reconciler, with the XDP driver and the state file. */
export class Agent {
  readonly #driver: XdpDriver;
  readonly #ledger: IndexLedger;
  readonly #reconciler: Reconciler;

  private constructor(options: AgentOptions, driver: XdpDriver) {
    this.#driver = driver;
    this.#ledger = new IndexLedger({
      store: new StateFile(options.stateFile),
      cooldownMs: options.cooldownMs,
      attached: () => ({ interface: options.interface.name, mode: driver.mode }),
      now: Date.now,
    });
    this.#reconciler = new Reconciler({
      driver,
      ledger: this.#ledger,
      rings: maglevRings(),
      check: options.check,
      log: options.log,
    });
  }

  /**
   * Takes over what is pinned, or loads anew; returns when the kernel matches the goal. With
   * `attachLater`, what is not attached stays so until {@link attach}. Throws with nothing
   * attached that was not attached before.
   */
  static async prepare(options: AgentOptions, goal: Goal): Promise<Agent> {
    requireKernelSupport();
    const driver = new XdpDriver(options);
    try {
      const agent = new Agent(options, driver);
      await agent.#reconciler.reconcile(goal);
      return agent;
    } catch (error) {
      driver.abandon();
      throw error;
    }
  }

  /** Prepares, and attaches at once. Throws with nothing attached that was not attached before. */
  static async start(options: AgentOptions, goal: Goal): Promise<Agent> {
    const agent = await Agent.prepare(options, goal);
    await agent.attach();
    return agent;
  }

  /** Attaches what is not attached. Throws with nothing attached that was not attached before. */
  async attach(): Promise<void> {
    try {
      this.#driver.attach();
      await this.#ledger.noteAttached();
    } catch (error) {
      this.#driver.abandon();
      throw error;
    }
  }

  /** Brings the kernel to another goal. On an error it can simply be called again. */
  async reconcile(goal: Goal): Promise<void> {
    this.#driver.checkAttached();
    await this.#reconciler.reconcile(goal);
  }

  /** One pass over the kernel's tables, which mends what others have changed; see Reconciler. */
  audit(): Generator<Drift | null, boolean, void> {
    return this.#reconciler.audit();
  }

  /** From now on these settings hold, and the others as they were. */
  useSettings(settings: Partial<Settings>): void {
    this.#driver.useSettings(settings);
  }

  /** Tunnels come from these addresses, as soon as the next goal is reached. */
  useSources(sources: TunnelSources): void {
    this.#driver.useSources(sources);
  }

  attached(): boolean {
    return this.#driver.attached();
  }

  get balancer(): Balancer | undefined {
    return this.#driver.balancer;
  }

  /** Names of what the balancer holds. */
  get record(): AgentRecord | undefined {
    return this.#ledger.record;
  }

  /** Ends before {@link attach}: what was not attached before is not after. */
  abandon(): void {
    this.#driver.abandon();
  }

  /** Lets go of every handle; what is pinned stays and carries traffic on. */
  close(): void {
    this.#driver.close();
  }
}
