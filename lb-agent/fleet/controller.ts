// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { Backoff, SayOnce, SerialWork } from '../../core/index.js';
import type { EtcdClient, Operation, TransactionResult } from '../../registry/etcd/client/index.js';
import {
  Clocks,
  FLEET_PARTS,
  type FollowedFleet,
  followFleet,
  IdUsage,
  type Term,
  takeOver,
  termOf,
} from '../../registry/etcd/fleet/index.js';
import {
  type EventValue,
  eventPut,
  type Keys,
  leaseForEvents,
  revisionNumber,
} from '../../registry/etcd/layout/index.js';
import type { DesiredState, Pool } from '../../registry/index.js';
import { putAbsentAgentsAway } from './duties/absent-agents.js';
import type { Duty, DutyContext, DutyStep } from './duties/duty.js';
import { handOut } from './duties/hand-out.js';
import { reclaim } from './duties/reclaim.js';
import { rest } from './duties/rest.js';

export interface ControllerOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly agent: string;
  readonly log: Logger;
  /** The lease of the agent's sign of life; undefined while it is not live. */
  readonly lease: () => string | undefined;
  /** Milliseconds for which an agent may give no sign of life. Default 60 000. */
  readonly graceMs?: number;
  /** Milliseconds of a clock that only goes forward; for tests. */
  readonly now?: () => number;
  /** The terms may be others. */
  readonly onTerms?: () => void;
  /** What is done for each pool, in this order. */
  readonly duties?: readonly Duty[];
}

const GRACE_MS = 60_000;
/** Milliseconds between looks at what has no event: clocks. */
const LOOK_EVERY = 1_000;

export const DUTIES: readonly Duty[] = [handOut, putAbsentAgentsAway, reclaim, rest];

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
  readonly #usage = new Map<string, IdUsage>();
  /** Who holds which pool. */
  readonly #controllers: FollowedFleet;
  /** Everything; followed only while this agent holds a pool. */
  #fleet: FollowedFleet | undefined;
  #state: DesiredState | undefined;
  #vips: ReadonlySet<string> = new Set();
  /** The revision that the view, and the desired state, must show before the next decision. */
  #seen = { view: 0, desired: 0 };
  #eventLease: string | undefined;
  #terms: readonly Term[] = [];
  #closed = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#duties = options.duties ?? DUTIES;
    this.#clocks = new Clocks(options.now ?? (() => performance.now()));
    const { client, keys } = options;
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

  /** Its terms, as far as it knows. */
  get terms(): readonly Term[] {
    return this.#terms;
  }

  /** The registry has this state. */
  desired(state: DesiredState): void {
    this.#state = state;
    const names = new Set(state.pools.map(({ name }) => name));
    for (const name of this.#usage.keys()) if (!names.has(name)) this.#usage.delete(name);
    for (const pool of state.pools) {
      const usage = this.#usage.get(pool.name) ?? new IdUsage();
      this.#usage.set(pool.name, usage);
      usage.update(pool);
    }
    this.#vips = new Set(state.pools.flatMap(({ vips }) => vips.map(({ address }) => address)));
    this.look();
  }

  /** etcd was restored from a backup: nothing that it has seen says anything of what is there. */
  restored(): void {
    this.#retire();
  }

  /** Something that it goes by may be different. */
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
    for (const { name } of state.pools) {
      if (this.#controllers.view.controllers.get(name) === undefined) {
        await this.#takeOver(name, lease);
      }
    }
    const { agent } = this.#options;
    this.#terms = state.pools.flatMap(
      ({ name }) => termOf(this.#controllers.view, name, agent, lease) ?? [],
    );
    this.#options.onTerms?.();
    if (this.#terms.length === 0) return this.#retire();
    const fleet = this.#followAll();
    if (fleet.view.revision < Math.max(this.#seen.view, 1)) return;
    const desired = revisionNumber(state.revision) ?? 0;
    if (desired < this.#seen.desired) return;
    for (const term of this.#terms) {
      const pool = state.pools.find(({ name }) => name === term.pool);
      // One thing at a time: the next is decided on what became of this.
      if (pool !== undefined && (await this.#serve(pool, term, desired, fleet))) return;
    }
  }

  async #takeOver(pool: string, lease: string): Promise<void> {
    const { client, keys, agent, log } = this.#options;
    const transaction = takeOver(keys, pool, agent, lease);
    const what = `taking over of pool ${pool}`;
    const { held } = await client.kv.txn(transaction, { what, repeatable: true });
    if (held) log.info({ pool, agent }, 'this agent is the controller of the pool');
  }

  /** Whether something was done, or tried. */
  async #serve(pool: Pool, term: Term, desired: number, fleet: FollowedFleet): Promise<boolean> {
    const context = this.#contextOf(pool, term, desired, fleet);
    for (const duty of this.#duties) {
      const step = await duty(context);
      if (step === undefined) continue;
      await this.#do(step);
      return true;
    }
    return false;
  }

  async #do(step: DutyStep): Promise<void> {
    const { client, keys } = this.#options;
    const { transaction, what } = step;
    const result = await client.kv.txn(transaction, { what, repeatable: true });
    if (!result.held) {
      // Something is different from what was seen, or this is a copy of what was done.
      this.#backoff.retry(() => this.look());
      return;
    }
    this.#backoff.reset();
    this.#note(result, transaction.success, keys);
    step.done?.();
    this.look();
  }

  #note({ revision }: TransactionResult, operations: readonly Operation[], keys: Keys): void {
    const changesDesired = operations.some(
      ({ request }) =>
        request?.$case === 'requestPut' &&
        Buffer.from(request.value.key).toString() === keys.revision,
    );
    this.#seen = {
      view: revision,
      desired: changesDesired ? revision : this.#seen.desired,
    };
  }

  #contextOf(pool: Pool, term: Term, desired: number, { view }: FollowedFleet): DutyContext {
    const { client, keys, agent, log, graceMs = GRACE_MS } = this.#options;
    const usage = this.#usage.get(pool.name) ?? new IdUsage();
    const others = [...this.#usage].flatMap(([name, each]) => (name === pool.name ? [] : [each]));
    const elsewhere = {
      has: (server: string) => others.some((each) => each.server(server) !== undefined),
    };
    const by = `lb-agent ${agent}`;
    return {
      keys,
      picture: { pool, usage, elsewhere, vips: this.#vips, view },
      view,
      on: { term, desiredRevision: desired, viewRevision: view.revision, by },
      clocks: this.#clocks,
      graceMs,
      log,
      said: this.#said,
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
    const { client, keys } = this.#options;
    this.#eventLease ??= await leaseForEvents(client);
    const at = new Date().toISOString();
    return [eventPut(keys, seen, this.#eventLease, { ...event, by, pool, at, seen })];
  }

  #followAll(): FollowedFleet {
    const { client, keys, log } = this.#options;
    this.#fleet ??= followFleet(
      client,
      keys,
      { onChange: () => this.look() },
      {
        parts: FLEET_PARTS,
        onUnreadable: (key, error) => {
          if (this.#said.isNews(error, `unreadable ${key}`)) {
            log.warn({ key, error }, 'a key of the fleet cannot be read, and counts as absent');
          }
        },
      },
    );
    return this.#fleet;
  }

  /** It holds no pool. Whoever holds one later begins all clocks anew. */
  #retire(): void {
    this.#terms = [];
    this.#options.onTerms?.();
    this.#clocks.clear();
    this.#fleet?.close();
    this.#fleet = undefined;
    this.#seen = { view: 0, desired: 0 };
  }
}
