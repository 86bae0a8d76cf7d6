// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { Backoff, SerialWork } from '../../../core/index.js';
import type { Connection } from './connection.js';
import { callError, isCompacted, RegistryCallError } from './errors.js';
import { type Followed, FollowedKeys } from './followed-keys.js';
import { KnownKeys } from './known-keys.js';
import type { KeyValue, Kv, Snapshot } from './kv.js';
import type { ChangeSet } from './watch.js';

export interface FollowHandlers {
  /** All keys at one revision. Called first, and once. */
  readonly onSnapshot: (snapshot: Snapshot) => void | Promise<void>;
  /**
   * The changes of one transaction, or, where `resync` is true, all that was changed since the
   * last call as far as it can still be seen. Calls come in the order of their revisions, one at
   * a time. When a handler rejects, what it may have missed comes again as a resync.
   */
  readonly onChanges: (changes: FollowedChanges) => void | Promise<void>;
  /** Everything up to `revision` was handed over, and changes come as they happen. */
  readonly onConnected?: (revision: number) => void;
  /** Changes do not come. Told once for each time, and again where the reason is another code. */
  readonly onDisconnected?: (error: RegistryCallError) => void;
}

export interface FollowedChanges extends ChangeSet {
  readonly resync: boolean;
  /**
   * With `resync`: etcd holds other data than it did, because a backup was restored. Every key is
   * among the changes, and revisions say nothing about those that came before.
   */
  readonly restored?: boolean;
}

export interface FollowOptions {
  /** Keys of one Range. Default 10 000. */
  readonly pageKeys?: number;
}

/** Milliseconds between two looks at whether something is still to come; each time twice that. */
const FIRST_LOOK_MS = 20;
/** When the pause would be longer without anything having come, nothing will. */
const LAST_LOOK_MS = 3_000;

/**
 * Follows keys and prefixes: a snapshot, then each change. Transactions stay whole, also where they
 * change keys under several of the prefixes. For that, the host is sent the changes of everything
 * that lies between them too, so what is far apart and need not be whole is followed apart.
 */
export class Follow {
  /** Called when it is closed, also by itself. */
  onClosed: () => void = () => {};
  readonly #connection: Connection;
  readonly #kv: Kv;
  readonly #handlers: FollowHandlers;
  readonly #options: FollowOptions;
  readonly #keys: FollowedKeys;
  readonly #backoff = new Backoff({ firstMs: 50, longestMs: 2_000, jitter: true });
  readonly #delivery = new SerialWork(() => this.#deliver());
  readonly #known = new KnownKeys();
  /** Everything up to here was handed over. */
  #revision = 0;
  /** Begins anew with each snapshot; what belongs to an older one is dropped. */
  #round = 0;
  /** The round for which it is being found out what is still to come. */
  #confirming: number | undefined;
  /** What etcd was at when that began. */
  #goal: number | undefined;
  #connected = false;
  #disconnectedAt: number | undefined = performance.now();
  #toldCode: string | undefined;
  #started = false;
  #closed = false;

  constructor(
    connection: Connection,
    kv: Kv,
    followed: readonly Followed[],
    handlers: FollowHandlers,
    options: FollowOptions = {},
  ) {
    this.#connection = connection;
    this.#kv = kv;
    this.#handlers = handlers;
    this.#options = options;
    this.#keys = new FollowedKeys(followed);
    void this.#synchronize();
  }

  /** Whether everything that etcd has is handed over as it comes. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Milliseconds since it is not connected; undefined while it is. */
  get disconnectedForMs(): number | undefined {
    return this.#disconnectedAt === undefined
      ? undefined
      : performance.now() - this.#disconnectedAt;
  }

  /** The revision up to which everything was handed over; 0 before the snapshot. */
  get revision(): number {
    return this.#revision;
  }

  close(): void {
    this.#closed = true;
    this.#connected = false;
    this.#round += 1;
    this.#backoff.cancel();
    this.#keys.stop();
    this.onClosed();
  }

  /** Reads everything at one revision, hands over what is new, and watches from there. */
  async #synchronize(): Promise<void> {
    this.#round += 1;
    const round = this.#round;
    this.#goal = undefined;
    this.#keys.stop();
    await this.#delivery.idle();
    if (this.#stale(round)) return;
    try {
      const { revision, entries } = await this.#keys.read(this.#kv, this.#options);
      if (this.#stale(round)) return;
      if (revision < this.#came) this.#known.distrust();
      await this.#handOverAll(revision, entries);
      if (this.#stale(round)) return;
      this.#revision = revision;
      this.#goal = revision;
    } catch (error) {
      if (this.#stale(round)) return;
      // A compaction while the pages were read only asks for a newer revision.
      if (!isCompacted(error)) this.#disconnect(callError('following', error));
      this.#backoff.retry(() => void this.#synchronize());
      return;
    }
    this.#backoff.reset();
    this.#watch(round);
  }

  async #handOverAll(revision: number, entries: readonly KeyValue[]): Promise<void> {
    if (!this.#started) {
      await this.#handlers.onSnapshot({ revision, entries });
      this.#started = true;
      this.#known.apply(entries.map((entry) => ({ kind: 'put', entry })));
      return;
    }
    const changes = this.#known.differences(entries);
    const { distrusted: restored } = this.#known;
    if (changes.length > 0) await this.#handOver({ revision, changes, resync: true, restored });
  }

  async #handOver(changes: FollowedChanges): Promise<void> {
    await this.#handlers.onChanges(changes);
    this.#known.apply(changes.changes);
    this.#revision = changes.revision;
  }

  #watch(round: number): void {
    this.#keys.start(this.#connection, this.#revision, {
      onChanges: async (sets) => {
        if (this.#stale(round)) return;
        this.#keys.receive(sets);
        await this.#delivery.run();
      },
      onCompacted: (revision) => {
        if (this.#stale(round)) return;
        this.#disconnect(behind(`changes up to revision ${revision} were compacted away`));
        void this.#synchronize();
      },
      onConnected: () => {
        if (!this.#stale(round)) void this.#confirm(round);
      },
      onDisconnected: (error) => {
        if (!this.#stale(round)) this.#disconnect(error);
      },
    });
  }

  async #deliver(): Promise<void> {
    const round = this.#round;
    for (;;) {
      if (this.#stale(round)) return;
      const set = this.#keys.take();
      if (set === undefined) return;
      try {
        await this.#handOver({ ...set, resync: false });
      } catch (error) {
        if (this.#stale(round)) return;
        this.#disconnect(callError('handing over changes', error));
        this.#round += 1;
        this.#backoff.retry(() => void this.#synchronize());
        return;
      }
    }
  }

  /**
   * Finds out up to which revision everything came. What came up to a revision is all there is if
   * no key has a later change and their number is the same. (Progress that etcd itself tells runs
   * ahead of the changes in versions that people have.)
   */
  async #confirm(round: number): Promise<void> {
    if (this.#confirming === round) return;
    this.#confirming = round;
    let pauseMs = FIRST_LOOK_MS;
    try {
      while (!this.#stale(round) && !this.#connected && this.#keys.connected) {
        if (this.#goal === undefined || this.#keys.passed < this.#goal) {
          const least = this.#came;
          const revision = await this.#keys.confirm(this.#kv);
          if (this.#stale(round)) return;
          if (revision < least) return this.#distrust();
          this.#goal ??= revision;
        }
        const { passed } = this.#keys;
        await this.#delivery.run();
        if (this.#stale(round)) return;
        this.#connectAt(passed);
        if (this.#connected) return;
        await pause(pauseMs);
        pauseMs = this.#keys.passed === passed ? 2 * pauseMs : FIRST_LOOK_MS;
        if (pauseMs > LAST_LOOK_MS && !this.#stale(round)) return this.#distrust();
      }
    } catch (error) {
      if (this.#stale(round)) return;
      this.#disconnect(callError('following', error));
      this.#backoff.retry(() => void this.#confirm(round));
    } finally {
      if (this.#confirming === round) this.#confirming = undefined;
    }
  }

  /**
   * etcd is at an earlier revision than what was handed over, or has what no change leads to: its
   * data were lost, or a backup was restored. Then a revision says nothing about a key, so
   * everything is handed over again.
   */
  #distrust(): void {
    this.#known.distrust();
    this.#disconnect(behind('etcd holds other data than it did'));
    void this.#synchronize();
  }

  /** Up to here something came, or was handed over: etcd itself was at this revision. */
  get #came(): number {
    return Math.max(this.#revision, this.#keys.passed);
  }

  /** Says that it is connected, if everything came that was there when it began to look. */
  #connectAt(passed: number): void {
    if (this.#connected || this.#goal === undefined || passed < this.#goal) return;
    if (!this.#keys.connected) return;
    this.#revision = Math.max(this.#revision, passed);
    this.#connected = true;
    this.#disconnectedAt = undefined;
    this.#toldCode = undefined;
    this.#handlers.onConnected?.(this.#revision);
  }

  #disconnect(error: RegistryCallError): void {
    this.#connected = false;
    this.#goal = undefined;
    this.#disconnectedAt ??= performance.now();
    if (this.#toldCode === error.code) return;
    this.#toldCode = error.code;
    this.#handlers.onDisconnected?.(error);
  }

  #stale(round: number): boolean {
    return this.#closed || this.#round !== round;
  }
}

/** Why it is not connected although etcd answers. */
function behind(why: string): RegistryCallError {
  const details = { fate: 'not done', passing: true } as const;
  return new RegistryCallError('REGISTRY_UNAVAILABLE', `following: ${why}`, details);
}
