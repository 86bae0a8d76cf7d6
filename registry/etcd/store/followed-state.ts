// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../../cid/index.js';
import { CidecarError, SerialWork } from '../../../core/index.js';
import type { DocumentWarning } from '../../document/report.js';
import { ITEMS_PER_STEP, runInSlices, type Steps } from '../../document/steps.js';
import type { DesiredState } from '../../types.js';
import type { Change, Follow, FollowHandlers, Kv } from '../client/index.js';
import type { Keys } from '../layout/keys.js';
import { readValue } from '../layout/read-value.js';
import { metaValue } from '../layout/values/meta.js';
import { Assembly } from './assembly.js';
import { ChangeLog } from './change-log.js';
import type { Keyring } from './keyring.js';

/** What there is at present: a valid state, or why there is none. */
export type Outcome =
  | {
      readonly state: DesiredState;
      readonly warnings: readonly DocumentWarning[];
      /** What the state was put together by, which goes on to change. */
      readonly assembly: Assembly;
      readonly changes: ChangesUpTo;
    }
  | { readonly error: unknown };

/** The changes that made a state of the one before, and others before that. */
export interface ChangesUpTo {
  readonly log: ChangeLog;
  /** The end of the log when the state was put together. */
  readonly end: number;
}

/** What is needed of a client of etcd. */
export interface FollowingClient {
  readonly kv: Pick<Kv, 'get'>;
  follow(prefixes: readonly string[], handlers: FollowHandlers): FollowedPrefixes;
}

type FollowedPrefixes = Pick<Follow, 'connected' | 'disconnectedForMs' | 'close'>;

export interface FollowedStateOptions {
  readonly client: FollowingClient;
  readonly keys: Keys;
  readonly keyring: Keyring;
  readonly schemes?: Schemes;
  /** Called with each state, and with each error in place of one. */
  readonly onOutcome: (outcome: Outcome) => void;
  /** Called each time that changes begin to come. */
  readonly onConnected?: () => void;
}

interface ChangeAt {
  readonly change: Change;
  readonly revision: number;
}

interface Waiter {
  /** The revision of etcd that is waited for. */
  readonly revision: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Milliseconds between attempts to open keys that could not be opened. */
const OPEN_AGAIN_EVERY = 5_000;

/**
 * Milliseconds that etcd has to say what is the newest: enough to try three members, one of which
 * is stopped. A daemon that starts waits so long before it takes its last good state, and goes on
 * asking meanwhile.
 */
const ANSWER_WITHIN = 3_000;

/**
 * The desired state as it is in etcd now. Changes are taken as they come; where several came
 * while a state was put together, the next state has them all.
 */
export class FollowedState {
  readonly #options: FollowedStateOptions;
  readonly #assembly: Assembly;
  readonly #log = new ChangeLog();
  readonly #follow: FollowedPrefixes;
  readonly #working = new SerialWork(() => this.#work());
  readonly #abort = new AbortController();
  readonly #openAgain: NodeJS.Timeout;
  #queue: ChangeAt[] = [];
  /** Everything up to this revision of etcd is in the queue or in the assembly. */
  #received = 0;
  #worked = 0;
  /** What is in the queue is all that etcd has, and the assembly is of other data. */
  #restored = false;
  #started = false;
  #outcome: Outcome | undefined;
  /** Why this version cannot read what is there. */
  #layout: CidecarError | undefined;
  #away: unknown;
  #waiters: Waiter[] = [];

  constructor(options: FollowedStateOptions) {
    this.#options = options;
    this.#assembly = new Assembly(options);
    this.#follow = options.client.follow([options.keys.desired], {
      onSnapshot: async ({ revision, entries }) => {
        await this.#readLayout();
        this.#started = true;
        this.#take(
          entries.map((entry) => ({
            change: { kind: 'put', entry },
            revision: entry.modRevision,
          })),
          revision,
        );
      },
      onChanges: ({ revision, changes, resync, restored = false }) => {
        if (restored) [this.#received, this.#worked, this.#restored] = [0, 0, true];
        // Nobody knows at which revision a key went meanwhile; the mark of the transaction that
        // took it comes with the others.
        const marked = changes.some(
          (change) => change.kind === 'put' && change.entry.key === options.keys.revision,
        );
        const at = resync && marked ? 0 : revision;
        this.#take(
          changes.map((change) => ({ change, revision: at })),
          revision,
        );
      },
      onConnected: (revision) => {
        this.#away = undefined;
        this.#take([], revision);
        // Another version may have been at work meanwhile.
        this.#readLayoutAgain();
        options.onConnected?.();
      },
      onDisconnected: (error) => this.#leave(error),
    });
    this.#openAgain = setInterval(() => this.#retry(), OPEN_AGAIN_EVERY).unref();
  }

  get connected(): boolean {
    return this.#follow.connected;
  }

  get disconnectedForMs(): number | undefined {
    return this.#follow.disconnectedForMs;
  }

  /** Undefined before the first, and while etcd is away; the last state stays in force then. */
  get outcome(): Outcome | undefined {
    return this.#away === undefined ? this.#outcome : { error: this.#away };
  }

  /**
   * The outcome that has every change that was committed before the call. Rejects with
   * REGISTRY_UNAVAILABLE, or what else keeps etcd from answering.
   */
  async upToDate(): Promise<Outcome> {
    const { client, keys } = this.#options;
    const revision = (await client.kv.get(keys.revision, ANSWER_WITHIN))?.modRevision ?? 0;
    return new Promise((resolve, reject) => {
      const { outcome } = this;
      if (this.#away !== undefined) reject(this.#away);
      else if (outcome !== undefined && this.#worked >= revision) resolve(outcome);
      else this.#waiters.push({ revision, resolve, reject });
    });
  }

  close(): void {
    clearInterval(this.#openAgain);
    this.#follow.close();
    this.#abort.abort();
    const closed = new CidecarError('REGISTRY_UNAVAILABLE', 'the registry was closed');
    for (const { reject } of this.#waiters.splice(0)) reject(closed);
  }

  #take(changes: readonly ChangeAt[], revision: number): void {
    for (const change of changes) this.#queue.push(change);
    this.#received = Math.max(this.#received, revision);
    if (this.#started) void this.#working.run().catch((error) => this.#fail(error));
  }

  async #work(): Promise<void> {
    const received = this.#received;
    const queue = this.#queue;
    this.#queue = [];
    // All that etcd has is no change that is worth to be written beside the whole.
    if (this.#restored || this.#outcome === undefined) this.#log.skip();
    const log = this.#outcome === undefined ? undefined : this.#log;
    if (this.#restored) this.#assembly.restored();
    this.#restored = false;
    const { signal } = this.#abort;
    if (signal.aborted) return;
    await runInSlices(this.#apply(queue, log), signal);
    const outcome = await this.#assemble(signal);
    this.#outcome = outcome;
    this.#worked = received;
    if (this.#away === undefined) this.#options.onOutcome(outcome);
    const ready = this.#waiters.filter(({ revision }) => revision <= received);
    this.#waiters = this.#waiters.filter(({ revision }) => revision > received);
    for (const { resolve } of ready) resolve(outcome);
  }

  /** @param log where the changes are noted, except the mark that each transaction leaves */
  *#apply(queue: readonly ChangeAt[], log: ChangeLog | undefined): Steps<void> {
    const mark = this.#options.keys.revision;
    let count = 0;
    for (const { change, revision } of queue) {
      if (++count % (ITEMS_PER_STEP / 4) === 0) yield;
      if (change.kind === 'removed') {
        this.#assembly.change(change.key, undefined, revision);
        if (change.key !== mark) log?.add(change.key, null);
        continue;
      }
      const { key, value, modRevision } = change.entry;
      this.#assembly.change(key, value, modRevision);
      if (key !== mark) log?.add(key, value.toString());
    }
  }

  async #assemble(signal: AbortSignal): Promise<Outcome> {
    const { keys } = this.#options;
    if (this.#layout !== undefined) return { error: this.#layout };
    if (!this.#assembly.begun) {
      const message = `nothing was put into etcd below ${keys.root} yet; cidctl apply does that`;
      return { error: new CidecarError('REGISTRY_UNAVAILABLE', message) };
    }
    try {
      const { state, warnings } = await runInSlices(this.#assembly.assemble(), signal);
      const changes = { log: this.#log, end: this.#log.end };
      return { state, warnings, assembly: this.#assembly, changes };
    } catch (error) {
      if (error instanceof CidecarError) return { error };
      throw error;
    }
  }

  /** For faults of this program: the state in force stays. */
  #fail(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.#outcome = { error };
    this.#options.onOutcome({ error });
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }

  #leave(error: unknown): void {
    this.#away = error;
    this.#options.onOutcome({ error });
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }

  /** Rejects where etcd does not answer; then it is asked again. */
  async #readLayout(): Promise<void> {
    const { client, keys } = this.#options;
    const meta = await client.kv.get(keys.meta);
    try {
      if (meta !== undefined) readValue(metaValue, keys.meta, meta.value);
      this.#layout = undefined;
    } catch (error) {
      if (!(error instanceof CidecarError)) throw error;
      this.#layout = error;
    }
  }

  #readLayoutAgain(): void {
    const before = this.#layout;
    this.#readLayout().then(
      () => {
        if (this.#layout !== before) this.#take([], this.#received);
      },
      // The next connection asks again.
      () => undefined,
    );
  }

  /** A secret may come to this host after the keys that ask for it. */
  #retry(): void {
    if (this.#layout !== undefined) {
      this.#readLayoutAgain();
      return;
    }
    const { outcome } = this;
    if (outcome === undefined || !('error' in outcome)) return;
    if (!(outcome.error instanceof CidecarError)) return;
    if (!outcome.error.parts.some(({ code }) => RETRIED.has(code))) return;
    this.#assembly.openAgain();
    this.#take([], this.#received);
  }
}

const RETRIED: ReadonlySet<string> = new Set([
  'KEY_SEALED',
  'FILE_UNREADABLE',
  'CLUSTER_SECRET_INVALID',
]);
