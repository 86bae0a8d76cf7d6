// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { LastGood } from '../../daemon/last-good.js';
import { NotedSources } from '../../lb-agent/commands/noted-sources.js';
import { AgentFleet, type AgentFleetOptions } from '../../lb-agent/fleet/agent-fleet.js';
import { IndexLedger } from '../../lb-agent/reconcile/index-ledger.js';
import { ReconcileLoop } from '../../lb-agent/reconcile/reconcile-loop.js';
import { Reconciler } from '../../lb-agent/reconcile/reconciler.js';
import type { AgentRecord } from '../../lb-agent/reconcile/record.js';
import { goalOf, RINGS } from '../../lb-agent/reconcile/testing/goals.js';
import { MemoryDriver } from '../../lb-agent/reconcile/testing/memory-driver.js';
import { EtcdClient, EtcdRegistry } from '../../registry/etcd/index.js';
import { revisionNumber } from '../../registry/etcd/layout/index.js';
import { keyring } from '../../registry/etcd/testing/documents.js';
import { type DesiredState, savedState } from '../../registry/index.js';

export interface TestAgentOptions {
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly agent: string;
  /** Of its own; what it remembers is there, over restarts. */
  readonly folder: string;
  readonly ttl?: number;
  /** What a balancer in the kernel is to it. */
  readonly driver?: MemoryDriver;
  readonly fleet?: Partial<AgentFleetOptions>;
  /** Its balancer has this state. */
  readonly onApplied?: (state: DesiredState) => void;
}

/** An agent as `lb-agent run` puts it together, whose balancer is nothing but its tables. */
export class TestAgent {
  readonly driver: MemoryDriver;
  /** What it logged. */
  readonly lines: Record<string, unknown>[];
  readonly registry: EtcdRegistry;
  readonly fleet: AgentFleet;
  readonly folder: string;
  attached = false;
  /** Applied last. */
  applied: DesiredState | undefined;
  readonly #lastGood: LastGood;
  readonly #loop: ReconcileLoop;
  readonly #client: EtcdClient;
  readonly #onApplied: (state: DesiredState) => void;
  readonly #sources: NotedSources;
  /** While it is set, nothing is applied. */
  #held: Promise<void> | undefined;
  #release: () => void = () => {};
  /** While it is set, nothing is saved. */
  diskFails = false;

  private constructor(options: TestAgentOptions, parts: Parts) {
    this.folder = options.folder;
    this.#onApplied = options.onApplied ?? (() => {});
    this.driver = options.driver ?? new MemoryDriver();
    this.#client = parts.client;
    this.registry = parts.registry;
    this.fleet = parts.fleet;
    this.#sources = parts.sources;
    const { log } = parts;
    this.lines = parts.lines;
    this.#lastGood = new LastGood(lastGoodPath(options), log);
    let stored: AgentRecord | undefined;
    const ledger = new IndexLedger({
      store: {
        read: () => stored,
        write: async (record) => {
          stored = record;
        },
      },
      cooldownMs: 1,
      attached: () => ({ interface: 'eth0', mode: 'native' }),
      now: Date.now,
    });
    const reconciler = new Reconciler({
      driver: this.driver,
      ledger,
      rings: RINGS,
      check: () => {},
      log,
    });
    this.#loop = new ReconcileLoop(async (goal) => {
      await this.#held;
      await reconciler.reconcile(goal);
      this.#reached(goal.desired);
    }, log);
  }

  static async start(options: TestAgentOptions): Promise<TestAgent> {
    const client = new EtcdClient(options.endpoints, options.prefix);
    let agent: TestAgent | undefined;
    const sources = new NotedSources();
    const registry = new EtcdRegistry(client, {
      keyring: keyring(),
      onSource: (state, source) => sources.note(state, source),
    });
    const lines: Record<string, unknown>[] = [];
    const log: Logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const fleet = await AgentFleet.open({
      registry,
      agent: options.agent,
      host: 'test',
      stateFile: join(options.folder, 'state.json'),
      ttl: options.ttl ?? 2,
      withdrawAfterMs: undefined,
      hook: undefined,
      log,
      attached: () => agent?.attached ?? false,
      configPackets: () => new Map(),
      serverPackets: () => new Map(),
      ...options.fleet,
    });
    agent = new TestAgent(options, { client, registry, fleet, sources, log, lines });
    void agent.#run(lastGoodPath(options)).catch((error) => agent?.lines.push({ error }));
    return agent;
  }

  /** What kernel and disk hold, by its own word. */
  get acknowledged(): number {
    return this.fleet.acknowledged ?? 0;
  }

  /** From now on nothing is applied, as where the kernel refuses it. */
  hold(): void {
    this.#held = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release(): void {
    this.#held = undefined;
    this.#release();
  }

  /** Ends it; its kernel goes on. */
  async stop(): Promise<void> {
    this.release();
    await this.#loop.close();
    await this.#lastGood.close();
    await this.fleet.close();
    await this.registry.close();
  }

  /** Ends it without a word to etcd, as a kill does. */
  async kill(): Promise<void> {
    this.#client.close();
    await this.stop();
  }

  async #run(path: string): Promise<void> {
    let fromDisk = false;
    const desired = await this.registry.read().catch(async (error: unknown) => {
      const saved = await this.#lastGood.read();
      if (saved === undefined) throw error;
      fromDisk = true;
      return savedState(saved, path, { signal: new AbortController().signal });
    });
    await this.registry.watch({
      onChange: (state) => {
        this.fleet.wanted(state);
        this.#loop.want(goalOf(state));
      },
      onError: () => {},
    });
    this.#loop.want(goalOf(desired));
    if (fromDisk) this.fleet.saved(desired.revision);
    await this.fleet.mayAttach(fromDisk);
    this.attached = true;
    this.fleet.started();
  }

  #reached(state: DesiredState): void {
    this.applied = state;
    this.#onApplied(state);
    this.fleet.applied(state);
    void this.#save(state.revision);
  }

  async #save(revision: string): Promise<void> {
    const source = this.#sources.of(revision);
    if (source === undefined || this.diskFails) return;
    if (!(await this.#lastGood.save(source))) return;
    this.#sources.forgetBefore(revision);
    this.fleet.saved(revision);
  }

  /** The revision of the state in its kernel. */
  get revision(): number {
    return revisionNumber(this.applied?.revision ?? '') ?? 0;
  }
}

interface Parts {
  readonly client: EtcdClient;
  readonly registry: EtcdRegistry;
  readonly fleet: AgentFleet;
  readonly sources: NotedSources;
  readonly log: Logger;
  readonly lines: Record<string, unknown>[];
}

function lastGoodPath({ folder }: TestAgentOptions): string {
  return join(folder, 'last-good');
}
