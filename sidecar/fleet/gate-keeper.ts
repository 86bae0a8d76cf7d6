// SPDX-License-Identifier: Apache-2.0
import { Backoff, SayOnce, SerialWork, toHex } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import { type EtcdClient, unchanged } from '../../registry/etcd/client/index.js';
import {
  decideGate,
  describeWaiting,
  type Waiting,
  type Wanted,
} from '../../registry/etcd/fleet/index.js';
import { type Keys, revisionNumber } from '../../registry/etcd/layout/index.js';
import type { PoolConfig } from '../../registry/index.js';
import type { Mintable, ServerView } from '../issuing/server-view.js';
import { admittedView, missingIn, passOf } from './admitted-view.js';
import { type AgentsView, FollowedAgents } from './followed-agents.js';
import { Marks } from './marks.js';
import { ownKeys } from './own-keys.js';
import type { PassFile } from './passes.js';

export interface GateKeeperOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly pool: string;
  readonly server: string;
  readonly identity: string;
  readonly file: PassFile;
  /** Names one meaning of a config ID; see fingerprints.ts. */
  readonly meaning: (config: PoolConfig) => string;
  readonly log: Log;
  /** What is admitted is another. */
  readonly onAdmitted: () => void;
  /** For whom it waits is another. */
  readonly onWaiting: () => void;
  /** Whether a config beside the minting one is wanted, because nonces are running out. */
  readonly spareWanted: () => boolean;
  /** Whether connections may still have CIDs of a config that is not issued any more. */
  readonly mayBeInUse: (config: number) => boolean;
  /** Whether the marks are this sidecar's to put and take back, as far as is known. */
  readonly mayAct: () => boolean;
}

/** For whom the gate waits before it lets a config, or IDs under it, through. */
export interface GateWait {
  readonly config: number;
  /** Which all of them must hold. */
  readonly revision: number;
  /** None where no balancer has joined. */
  readonly agents: readonly Waiting[];
}

/** Milliseconds between looks at what has no event. */
const LOOK_EVERY = 2_000;

/**
 * Lets through what all agents hold, and puts and takes back the marks that say so; gate.ts of
 * the fleet says what they mean. It follows the acknowledgements only while it waits for some.
 */
export class GateKeeper {
  readonly #options: GateKeeperOptions;
  readonly #marks: Marks;
  readonly #work = new SerialWork(() => this.#step());
  readonly #backoff = new Backoff({ firstMs: 100, longestMs: 2_000, jitter: true });
  readonly #said = new SayOnce();
  readonly #timer: NodeJS.Timeout;
  #agents: FollowedAgents | undefined;
  /** Whether it is known which marks stand in etcd. */
  #marksRead = false;
  /** Configs whose marks are to be put anew: at the start, and after an ID was taken away. */
  readonly #renewals: Set<number>;
  #view: ServerView;
  /** What etcd has of what is missing, as of the present view. */
  #wanted = new Map<number, Wanted>();
  #waits: readonly GateWait[] = [];
  #closed = false;

  /** @param view what the registry wants to be issued, to begin with */
  constructor(options: GateKeeperOptions, view: ServerView) {
    this.#options = options;
    this.#view = view;
    this.#renewals = new Set(options.file.onDisk.keys());
    this.#marks = new Marks(options);
    this.#timer = setInterval(() => this.#go(), LOOK_EVERY).unref();
  }

  /** Begins to ask etcd. Until then passes are those of the disk. */
  start(): void {
    this.#go();
  }

  /** The registry wants this; returns what may be issued of it now. */
  admit(view: ServerView): ServerView {
    this.#view = view;
    this.#wanted = new Map();
    this.#go();
    return this.admitted;
  }

  /** What may be issued now, of what the registry wants. */
  get admitted(): ServerView {
    const { file, meaning } = this.#options;
    return admittedView(this.#view, { passes: file.passes, meaning, reason: this.#reason });
  }

  /** By config ID. Those of the last time where etcd is away. */
  get waits(): readonly GateWait[] {
    return this.#waits;
  }

  /** Which marks stand in etcd is to be found out again: it was away. */
  readMarks(): void {
    this.#marksRead = false;
    this.#go();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#backoff.cancel();
    this.#agents?.close();
    this.#agents = undefined;
    await this.#work.idle();
  }

  get #reason(): string {
    const [wait] = this.#waits;
    if (wait === undefined) return 'it is not known yet whether all balancers hold the config';
    return `waiting for ${describeWaiting(wait.agents)} to hold config ${wait.config} of revision ${wait.revision}`;
  }

  #go(): void {
    if (!this.#closed) void this.#work.run();
  }

  async #step(): Promise<void> {
    if (this.#closed || !this.#options.mayAct()) return;
    try {
      if (!this.#marksRead) await this.#compareMarks();
      const view = await this.#forgetIds();
      // First what only takes away: it works also where etcd is full.
      await this.#takeBack();
      await this.#renewMarks(view);
      await this.#letThrough();
      this.#said.over('trouble');
      this.#backoff.reset();
    } catch (error) {
      if (this.#closed) return;
      // A mark whose put was not answered may stand although nobody here knows it.
      this.#marksRead = false;
      if (this.#said.isNews(error, 'trouble')) {
        this.#options.log.warn({ error }, 'it cannot be settled what may be issued; trying again');
      }
      this.#backoff.retry(() => this.#go());
    }
  }

  /** A pass without a mark is none: somebody took the mark away by force. */
  async #compareMarks(): Promise<void> {
    const { file, log } = this.#options;
    await this.#marks.read();
    for (const config of file.onDisk.keys()) {
      if (this.#marks.configs.includes(config)) continue;
      log.warn({ configId: config }, 'the mark of this sidecar is gone from the registry');
      const taken = file.take(config);
      this.#options.onAdmitted();
      await taken;
    }
    this.#marksRead = true;
  }

  /** An ID that it lost has to pass again. Returns the view that the disk follows by then. */
  async #forgetIds(): Promise<ServerView> {
    const { file } = this.#options;
    const view = this.#view;
    const { serverIds } = view.server;
    for (const [config, pass] of file.onDisk) {
      const own = new Set((serverIds.get(config) ?? []).map(toHex));
      const ids = pass.ids.filter((id) => own.has(id));
      if (ids.length === pass.ids.length) continue;
      await file.give(config, { ...pass, ids });
      this.#renewals.add(config);
    }
    return view;
  }

  /**
   * OWNER_STOPPED: by a mark that is newer than the removal of an ID others know that this sidecar
   * has stopped issuing it, and that its disk says so. Only where nothing changed since `view`.
   */
  async #renewMarks(view: ServerView): Promise<void> {
    const { keys, file } = this.#options;
    const revision = revisionNumber(view.revision) ?? 0;
    for (const config of this.#renewals) {
      const pass = file.onDisk.get(config);
      const done =
        pass === undefined ||
        !this.#marks.configs.includes(config) ||
        (await this.#marks.renew(config, pass.since, [unchanged(keys.revision, revision)]));
      if (done) this.#renewals.delete(config);
    }
  }

  async #letThrough(): Promise<void> {
    const { file, meaning, spareWanted } = this.#options;
    const missing = missingIn(this.#view, { passes: file.passes, meaning }, spareWanted());
    const waits: GateWait[] = [];
    let passed = false;
    for (const mintable of missing) {
      const wait = await this.#try(mintable);
      if (wait === undefined) passed = true;
      else if (wait !== 'later') waits.push(wait);
    }
    if (missing.length === 0) {
      this.#agents?.close();
      this.#agents = undefined;
    }
    this.#wait(waits);
    if (passed) this.#options.onAdmitted();
  }

  /** Undefined where it passed; `later` where a newer view, or a first look at the fleet, will do. */
  async #try(mintable: Mintable): Promise<GateWait | 'later' | undefined> {
    const { keys, file, meaning, log } = this.#options;
    const { config } = mintable;
    const revision = revisionNumber(this.#view.revision) ?? 0;
    let wanted = this.#wanted.get(config.id);
    if (wanted === undefined) {
      const view = this.#view;
      wanted = await ownKeys(mintable, { ...this.#options, revision });
      if (wanted === undefined || view !== this.#view) return 'later';
      this.#wanted.set(config.id, wanted);
    }
    const agents = this.#followed;
    if (agents === undefined) return 'later';
    // The mark says too that this sidecar issues nothing that was taken from it before.
    const present = this.#view;
    await this.#forgetIds();
    if (present !== this.#view) return 'later';
    const decision = decideGate(keys, agents, wanted);
    if (!decision.open) {
      return { config: config.id, revision: decision.revision, agents: decision.waiting };
    }
    if (!(await this.#marks.put(config.id, wanted, decision.revision))) {
      this.#wanted.delete(config.id);
      return 'later';
    }
    const before = passOf(config, { passes: file.passes, meaning });
    const ids = mintable.serverIds.map(toHex);
    const since = Math.max(decision.revision, before?.since ?? 0);
    await file.give(config.id, { meaning: meaning(config), since, ids });
    log.info({ configId: config.id, revision: decision.revision }, 'all balancers hold the config');
    return undefined;
  }

  /** The acknowledgements, once there is a first view of them. */
  get #followed(): AgentsView | undefined {
    const { client, keys, log } = this.#options;
    this.#agents ??= new FollowedAgents(client, keys, {
      onChange: () => this.#go(),
      onUnreadable: (key, error) => log.warn({ key, error }, 'a key of the fleet is unreadable'),
    });
    return this.#agents.view;
  }

  /** OLDER_GONE, STOP_SAVED: marks of configs that are issued no more, nor used by connections. */
  async #takeBack(): Promise<void> {
    const { file, mayBeInUse, log } = this.#options;
    const { mintable } = this.admitted;
    const used = new Set([...mintable, ...this.#view.mintable].map(({ config }) => config.id));
    for (const config of new Set([...file.onDisk.keys(), ...this.#marks.configs])) {
      if (used.has(config) || mayBeInUse(config)) continue;
      await file.take(config);
      if (await this.#marks.remove(config)) {
        log.info({ configId: config }, 'no CID of the config is in use here any more');
      } else this.#marksRead = false;
    }
  }

  #wait(waits: readonly GateWait[]): void {
    const news = JSON.stringify(waits) !== JSON.stringify(this.#waits);
    this.#waits = waits;
    if (!news) return;
    const { log, onWaiting, onAdmitted } = this.#options;
    for (const { config, revision, agents } of waits) {
      const text = describeWaiting(agents);
      if (!this.#said.isNews(`${text} ${revision}`, `config ${config}`)) continue;
      log.info(
        { configId: config, revision, agents: agents.map(({ agent }) => agent) },
        `waiting for ${text} before the config is issued`,
      );
    }
    onWaiting();
    // The reason why nothing is issued is another.
    if (this.admitted.mintable.length === 0) onAdmitted();
  }
}
