// SPDX-License-Identifier: Apache-2.0
import { Backoff, SayOnce, SerialWork } from '../../core/index.js';
import {
  isLeaseUnknown,
  type Operation,
  type TransactionResult,
} from '../../registry/etcd/client/index.js';
import {
  ChangeLooks,
  Clocks,
  EventLog,
  FLEET_PARTS,
  type FollowedFleet,
  followFleet,
  giveUp,
  type Term,
  takeOver,
  termOf,
} from '../../registry/etcd/fleet/index.js';
import { type EventValue, type Keys, revisionNumber } from '../../registry/etcd/layout/index.js';
import type { DesiredState, Pool } from '../../registry/index.js';
import { ConfigRevisions } from './config-revisions.js';
import { ControllerCounts } from './controller-counts.js';
import type { ControllerOptions } from './controller-options.js';
import type { Duty, DutyContext, DutyStep } from './duties/duty.js';
import { DUTIES, WITHOUT_STATE } from './duties/index.js';
import { Lateness } from './lateness.js';
import { Pace } from './pace.js';
import { Survey } from './survey.js';

const GRACE_MS = 60_000;
/** Milliseconds between looks at what has no event: clocks. */
const LOOK_EVERY = 1_000;
/** Between two allocations in a pool, unless one of them is as large as can be. */
const ALLOCATE_APART_MS = 100;
/** Milliseconds for which others may take over what it gave up. */
const STAY_AWAY_MS = 60_000;

/**
 * The controller of the pools whose key this agent holds: whichever agent comes first. It does one
 * transaction at a time, and the next when it has seen what became of it.
 */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #duties: readonly Duty[];
  readonly #work = new SerialWork(() => this.#run());
  readonly #backoff = new Backoff({ firstMs: 50, longestMs: 2_000, jitter: true });
  readonly #said = new SayOnce();
  readonly #clocks: Clocks;
  readonly #timer: NodeJS.Timeout;
  readonly counts = new ControllerCounts();
  readonly #survey = new Survey();
  readonly #changes: ChangeLooks;
  readonly #pace = new Pace(ALLOCATE_APART_MS, () => this.look());
  readonly #revisions: ConfigRevisions;
  /** Who holds which pool. */
  readonly #controllers: FollowedFleet;
  /** Everything; followed only while this agent holds a pool. */
  #fleet: FollowedFleet | undefined;
  #state: DesiredState | undefined;
  /** The revision that the view, and the desired state, must show before the next decision. */
  #seen = { view: 0, desired: 0 };
  readonly #events: EventLog;
  readonly #now: () => number;
  readonly #lateness: Lateness;
  #staysAwayUntil = Number.NEGATIVE_INFINITY;
  #terms: readonly Term[] = [];
  #closed = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#duties = options.duties ?? DUTIES;
    this.#now = options.now ?? (() => performance.now());
    this.#clocks = new Clocks(this.#now);
    const { client, keys } = options;
    this.#events = new EventLog(client, keys);
    this.#changes = new ChangeLooks(keys.acks, () => this.look());
    this.#revisions = new ConfigRevisions(client, keys);
    this.#lateness = new Lateness(options, this.#now);
    this.#controllers = followFleet(
      client,
      keys,
      { onChange: () => this.look() },
      { parts: ['controllers'] },
    );
    this.#timer = setInterval(() => this.look(), LOOK_EVERY).unref();
  }

  /** The pools that this agent holds, as far as it knows. */
  get pools(): readonly string[] {
    return this.#terms.map(({ pool }) => pool);
  }

  get terms(): readonly Term[] {
    return this.#terms;
  }

  desired(state: DesiredState): void {
    this.#state = state;
    this.look();
  }

  /** etcd was restored from a backup: nothing that it has seen says anything of what is there. */
  restored(): void {
    this.#retire();
  }

  look(): void {
    if (!this.#closed) void this.#work.run();
  }

  /** Ends the work; whoever ends the lease ends the terms. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#backoff.cancel();
    this.#controllers.close();
    this.#fleet?.close();
    await this.#work.idle();
  }

  async #run(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#step();
      this.#said.over('trouble');
    } catch (error) {
      if (this.#closed) return;
      if (this.#said.isNews(error, 'trouble')) {
        this.#options.log.warn({ error }, 'the work of a controller does not go on; trying again');
      }
      this.#backoff.retry(() => this.look());
    }
  }

  async #step(): Promise<void> {
    const lease = this.#options.lease();
    const state = this.#state;
    if (lease === undefined || state === undefined || this.#controllers.view.revision === 0) {
      if (lease === undefined) this.#retire();
      return;
    }
    const mayTakeOver = this.#now() >= this.#staysAwayUntil;
    for (const { name } of state.pools) {
      if (mayTakeOver && this.#controllers.view.controllers.get(name) === undefined) {
        await this.#takeOver(name, lease);
      }
    }
    const { agent } = this.#options;
    this.#terms = state.pools.flatMap(
      ({ name }) => termOf(this.#controllers.view, name, agent, lease) ?? [],
    );
    this.counts.retain(this.pools);
    this.#options.onTerms?.();
    if (this.#terms.length === 0) return this.#retire();
    const desired = revisionNumber(state.revision) ?? 0;
    if (await this.#lateness.isLong(desired)) return this.#giveUp(this.#terms);
    this.#survey.take(state);
    const fleet = this.#followAll();
    if (fleet.view.revision < Math.max(this.#seen.view, 1)) return;
    for (const term of this.#terms) {
      const pool = state.pools.find(({ name }) => name === term.pool);
      // One thing at a time: the next is decided on what became of this.
      if (pool !== undefined && (await this.#serve(pool, term, desired, fleet))) return;
    }
  }

  async #giveUp(terms: readonly Term[]): Promise<void> {
    const { client, keys, agent, log } = this.#options;
    this.#staysAwayUntil = this.#now() + STAY_AWAY_MS;
    this.#lateness.forget();
    this.#retire();
    for (const term of terms) {
      const what = `giving up of pool ${term.pool}`;
      await client.kv.txn(giveUp(keys, term), { what, repeatable: true });
    }
    const fields = { agent, pools: terms.map(({ pool }) => pool) };
    const message =
      'this agent cannot take the newest desired state: it is no controller for a minute';
    log.error(fields, message);
  }

  async #takeOver(pool: string, lease: string): Promise<void> {
    const { client, keys, agent, log } = this.#options;
    const options = { what: `taking over of pool ${pool}`, repeatable: true };
    const { held } = await client.kv.txn(takeOver(keys, pool, agent, lease), options);
    if (held) log.info({ pool, agent }, 'this agent is the controller of the pool');
  }

  /** Whether something was done. */
  async #serve(pool: Pool, term: Term, desired: number, fleet: FollowedFleet): Promise<boolean> {
    const context = this.#contextOf(pool, term, desired, fleet);
    for (const [at, duty] of this.#duties.entries()) {
      if (desired < this.#seen.desired && !WITHOUT_STATE.has(duty)) continue;
      // What cannot be done at present keeps nothing else from being done.
      const topic = `${pool.name} duty ${at}`;
      try {
        const step = await duty(context);
        if (step !== undefined && (await this.#do(step))) {
          this.counts.done(pool.name, step.task);
          if (step.task === 'allocation') this.#pace.note(pool.name);
          return true;
        }
        this.#said.over(topic);
      } catch (error) {
        if (this.#closed) return true;
        if (isLeaseUnknown(error)) this.#events.forget();
        if (this.#said.isNews(error, topic)) {
          const fields = { pool: pool.name, error };
          this.#options.log.warn(fields, 'a task of the controller fails; trying again');
        }
        this.#backoff.retry(() => this.look());
      }
    }
    return false;
  }

  /** Whether it was done. */
  async #do(step: DutyStep): Promise<boolean> {
    const { client, keys } = this.#options;
    const options = { what: step.what, repeatable: true };
    const result = await client.kv.txn(step.transaction, options);
    if (!result.held) {
      // Something is different from what was seen, or this is a copy of what was done.
      this.#backoff.retry(() => this.look());
      return false;
    }
    this.#backoff.reset();
    this.#note(result, step.transaction.success, keys);
    step.done?.();
    this.look();
    return true;
  }

  #note({ revision }: TransactionResult, operations: readonly Operation[], keys: Keys): void {
    const changesDesired = operations.some(
      ({ request }) =>
        request?.$case === 'requestPut' &&
        Buffer.from(request.value.key).toString() === keys.revision,
    );
    this.#seen = { view: revision, desired: changesDesired ? revision : this.#seen.desired };
  }

  #contextOf(pool: Pool, term: Term, desired: number, { view }: FollowedFleet): DutyContext {
    const { client, keys, agent, log, graceMs = GRACE_MS } = this.#options;
    const by = `lb-agent ${agent}`;
    return {
      keys,
      picture: this.#survey.picture(pool, view),
      view,
      on: { term, desiredRevision: desired, viewRevision: view.revision, by },
      clocks: this.#clocks,
      graceMs,
      log,
      said: this.#said,
      counts: this.counts,
      isPaced: (name) => this.#pace.allows(name),
      revisionOf: (config) => this.#revisions.of(pool.name, config),
      read: (key) => client.kv.get(key),
      event: (event) => this.#event(event, by, pool.name, view.revision),
    };
  }

  async #event(
    event: Pick<EventValue, 'what' | 'changes'>,
    by: string,
    pool: string,
    seen: number,
  ): Promise<readonly Operation[]> {
    return [await this.#events.operation(seen, { ...event, by, pool, seen })];
  }

  #followAll(): FollowedFleet {
    const { client, keys, log } = this.#options;
    this.#fleet ??= followFleet(
      client,
      keys,
      { onChange: (_, changes) => this.#changes.see(changes) },
      {
        parts: FLEET_PARTS,
        onUnreadable: (key, error) => {
          if (!this.#said.isNews(error, `unreadable ${key}`)) return;
          log.warn({ key, error }, 'a key of the fleet cannot be read, and counts as absent');
        },
      },
    );
    return this.#fleet;
  }

  /** It holds no pool. Whoever holds one later begins all clocks anew. */
  #retire(): void {
    this.#terms = [];
    this.counts.retain([]);
    this.#options.onTerms?.();
    this.#clocks.clear();
    this.#fleet?.close();
    this.#fleet = undefined;
    this.#seen = { view: 0, desired: 0 };
  }
}
