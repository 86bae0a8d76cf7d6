// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { Backoff, CidecarError, SayOnce, SerialWork } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import type { Follow, Lease } from '../../registry/etcd/client/index.js';
import {
  comeToLife,
  type Entry,
  leavePool,
  type Registrant,
  register,
  requireIdentity,
} from '../../registry/etcd/fleet/index.js';
import type { LiveServerValue, RequestValue } from '../../registry/etcd/layout/index.js';
import type { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import type { DesiredState } from '../../registry/index.js';
import type { BootClock } from './boot-clock.js';
import { allocateByChain } from './chain-allocation.js';
import type { Fence } from './fence.js';
import { missingIds, type OwnKeys, readOwnKeys } from './own-registration.js';
import { Ownership } from './ownership.js';
import { untilRegistered } from './until-registered.js';

export interface RegistrationOptions extends Registrant {
  readonly registry: EtcdRegistry;
  /** Canonical text. */
  readonly address: string;
  /** IDs under each config; undefined: as many as the pool gives each server. */
  readonly ids: number | undefined;
  /** Seconds of the lease on which the sign of life hangs. */
  readonly ttl: number;
  readonly fence: Fence;
  readonly clock: BootClock;
  readonly log: Log;
  /** Milliseconds without a controller after which it helps itself. Default 1500. */
  readonly chainAfterMs?: number;
}

const CHAIN_AFTER_MS = 1_500;
/** Milliseconds between looks at the fence. */
const LOOK_EVERY = 500;
/** Looks at the fence for one look at what has no event in etcd, while something is missing. */
const LOOKS_WHILE_MISSING = 4;
/** The same while nothing is. */
const LOOKS_WHILE_SETTLED = 20;

const SAYS_NOTHING = { issuing: null, waitingFor: [], older: {} };

/**
 * Registers a sidecar as a server of a pool, and keeps its sign of life. IDs come from the
 * pool's controller; while there is none it helps itself.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #work = new SerialWork(() => this.#run());
  readonly #backoff = new Backoff({ firstMs: 50, longestMs: 2_000, jitter: true });
  readonly #said = new SayOnce();
  readonly #lease: Lease;
  readonly #follow: Follow;
  /** What the sidecar says of itself, for others to see. */
  #says: () => Omit<LiveServerValue, 'identity'> = () => SAYS_NOTHING;
  #onFence: () => void = () => {};
  #fenced: string | undefined;
  /** Whether it has all that it asks for, and is known to be alive. */
  #settled = false;
  #ticks = 0;
  readonly #timer: NodeJS.Timeout;
  /** The lease on which the sign of life hangs. */
  #liveLease: string | undefined;
  readonly #ownership: Ownership;
  #noControllerSince: number | undefined;
  /** Whether the request is its own, as far as is known. */
  #registered = false;
  #refusal: CidecarError | undefined;
  #state: DesiredState | undefined;
  #saidText: string | undefined;
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    const { registry, pool, server, ttl, clock, fence } = options;
    this.#ownership = new Ownership((at) => fence.proven(at));
    const { client, keys } = registry;
    this.#lease = client.lease(
      { ttl, now: () => clock.now() },
      {
        onGranted: () => this.#go(),
        onLost: () => {
          this.#liveLease = undefined;
          this.#ownership.lost();
          options.log.warn('the lease of this server is gone: coming back');
        },
        onKept: (id, _ttl, sentAt) => {
          if (id !== this.#liveLease) return;
          this.#ownership.heard(sentAt);
          this.#lookAtFence();
        },
        onTrouble: (error) => this.#trouble(error),
      },
    );
    const key = keys.request(pool, server);
    this.#follow = client.follow([key], {
      onSnapshot: () => this.#go(),
      onChanges: ({ changes }) => {
        // The prefix is also that of servers whose names begin alike.
        if (changes.some((each) => (each.kind === 'put' ? each.entry.key : each.key) === key)) {
          this.#tellNews();
          this.#go();
        }
      },
      onConnected: () => this.#go(),
    });
    this.#fenced = options.fence.reason;
    this.#timer = setInterval(() => this.#tick(), LOOK_EVERY).unref();
  }

  /**
   * Resolves when the registry has this server, with IDs if any are free.
   *
   * @throws CidecarError SERVER_TAKEN; SERVER_UNKNOWN where the pool takes no registrations;
   * REGISTRY_UNAVAILABLE
   */
  ready(): Promise<void> {
    return untilRegistered({
      ...this.#options,
      refusal: () => this.#refusal,
      registered: () => this.#registered,
      desired: (state) => this.desired(state),
      news: () => this.#news(),
    });
  }

  /** Why another sidecar has this server; undefined where none has. */
  get refusal(): CidecarError | undefined {
    return this.#refusal;
  }

  get alive(): boolean {
    return this.#liveLease !== undefined && this.#liveLease === this.#lease.id;
  }

  get leaseAgeMs(): number | undefined {
    return this.#lease.unconfirmedForMs;
  }

  /** The registry has this state. */
  desired(state: DesiredState): void {
    if (this.#state === state) return;
    this.#state = state;
    const pool = state.pools.find(({ name }) => name === this.#options.pool);
    this.#options.fence.poolHas(pool?.allocation?.hold);
    this.#go();
  }

  /** The sidecar issues by the state of this revision. */
  inForce(revision: string): void {
    this.#ownership.inForce(revision);
    this.#lookAtFence();
  }

  /**
   * The sidecar issues from now on.
   *
   * @param says what others may know of it
   * @param onFence called when it may issue no more, and when it may again
   */
  serve(says: () => Omit<LiveServerValue, 'identity'>, onFence: () => void): void {
    this.#says = says;
    this.#onFence = onFence;
    this.#go();
  }

  /** What it says of itself is different. */
  say(): void {
    this.#go();
  }

  /** Why nothing may be issued under what was handed out; undefined where it may. */
  get fenced(): string | undefined {
    if (this.#refusal !== undefined) return this.#refusal.message;
    return this.#options.fence.reason;
  }

  /** Gives the IDs back, and leaves the pool. STOP_SAVED: it issues nothing by then. */
  async deregister(): Promise<void> {
    this.#stop();
    await this.#work.idle();
    const { registry, pool, server, log } = this.#options;
    const { client, keys } = registry;
    if (this.#refusal !== undefined) return;
    try {
      const by = `cid-sidecar ${server}`;
      const read = () => registry.read();
      const ids = await leavePool({ client, keys, pool, server, by, read, takeMarks: true });
      log.info({ pool, server, ids: ids?.length ?? 0 }, 'left the pool; its IDs are at rest');
    } catch (error) {
      log.error({ error }, 'this server could not leave the pool: it keeps its IDs');
    }
    await this.#lease.revoke();
  }

  /** Ends the sign of life. The server keeps its IDs. */
  async close(): Promise<void> {
    this.#stop();
    await this.#work.idle();
    await this.#lease.revoke();
  }

  #stop(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#backoff.cancel();
    this.#follow.close();
    this.#tellNews();
  }

  #tellNews(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #go(): void {
    if (!this.#closed) void this.#work.run();
  }

  #tick(): void {
    this.#lookAtFence();
    this.#ticks += 1;
    // What has no event: that the pool has a controller, and that another one leaves this name.
    const every = this.#settled ? LOOKS_WHILE_SETTLED : LOOKS_WHILE_MISSING;
    if (this.#ticks % every === 0) this.#go();
  }

  #lookAtFence(): void {
    const { fenced } = this;
    if (fenced === this.#fenced) return;
    const { log } = this.#options;
    if (fenced !== undefined) log.error({ reason: fenced }, 'nothing is issued any more');
    else log.info('this server may issue again');
    this.#fenced = fenced;
    this.#onFence();
  }

  async #run(): Promise<void> {
    if (this.#closed) return;
    try {
      while (!this.#closed && (await this.#one()));
      this.#said.over('trouble');
      this.#backoff.reset();
    } catch (error) {
      this.#trouble(error);
      if (!this.#closed) this.#backoff.retry(() => this.#go());
    }
  }

  /** Does what is next; false where there is nothing to do until something changes. */
  async #one(): Promise<boolean> {
    const { registry, log } = this.#options;
    this.#settled = false;
    const seen = await readOwnKeys(this.#options);
    try {
      requireIdentity(this.#options, seen);
      if (this.#refusal !== undefined) log.info('the name of this server is its own now');
      this.#refusal = undefined;
    } catch (error) {
      if (!(error instanceof CidecarError)) throw error;
      this.#refusal = error;
      this.#registered = false;
      this.#tellNews();
      this.#liveLease = undefined;
      this.#ownership.lost();
      this.#lookAtFence();
      if (this.#said.isNews(error, 'refusal')) log.error({ error }, 'this server is another one');
      return false;
    }
    const { request } = seen;
    if (request === undefined || !this.#isAsWanted(request.value)) {
      if (this.#state === undefined) return false;
      return this.#register(seen);
    }
    if (!this.#registered) {
      this.#registered = true;
      this.#tellNews();
    }
    this.#options.fence.requestSays(request.value.hold);
    const lease = this.#lease.id;
    if (lease !== undefined && (lease !== this.#liveLease || seen.live === undefined)) {
      await this.#comeToLife({ ...seen, request }, lease);
      return true;
    }
    if (lease !== undefined && seen.live !== undefined) await this.#sayMore(seen.live, lease);
    if (this.#state === undefined) return false;
    const missing = missingIds(this.#state, this.#options) !== 0;
    this.#settled = !missing && this.alive;
    if (!missing || !this.#mayHelpItself(seen)) return false;
    const { pool, server } = this.#options;
    const got = await allocateByChain({ registry, pool, server, request });
    if (got) log.info({ pool, server }, 'the pool has no controller: took IDs without one');
    return false;
  }

  #isAsWanted({ address, ids, hold, identity }: RequestValue): boolean {
    const wanted = this.#wanted;
    return (
      address === wanted.address &&
      ids === wanted.ids &&
      identity === wanted.identity &&
      // Before it is known, the hold stays what it is.
      (this.#state === undefined || hold === wanted.hold)
    );
  }

  get #wanted(): Pick<RequestValue, 'address' | 'ids' | 'hold' | 'identity'> {
    const { address, ids, identity, pool } = this.#options;
    const allocation = this.#state?.pools.find(({ name }) => name === pool)?.allocation;
    const hold = allocation?.hold;
    return { address, identity, ...(ids !== undefined && { ids }), ...(hold && { hold }) };
  }

  async #register(seen: OwnKeys): Promise<boolean> {
    const { registry, fence, log, pool, server } = this.#options;
    const { client, keys } = registry;
    const wanted = this.#wanted;
    await fence.requestWillSay(wanted.hold);
    const transaction = register(keys, this.#options, seen, wanted);
    const what = `registration of server ${server}`;
    const { held } = await client.kv.txn(transaction, { what, repeatable: true });
    if (held) log.info({ pool, server }, 'asked for a server and its IDs');
    return true;
  }

  async #comeToLife(
    seen: OwnKeys & { readonly request: Entry<RequestValue> },
    lease: string,
  ): Promise<void> {
    const { registry, identity, clock, log } = this.#options;
    const { client, keys } = registry;
    const sentAt = clock.now();
    const value = { ...this.#says(), identity };
    const transaction = comeToLife(keys, this.#options, seen, { value, lease });
    const what = 'sign of life';
    // What was in force in the life before says nothing of who owns the IDs now.
    this.#liveLease = undefined;
    this.#ownership.lost();
    const { held, revision, results } = await client.kv.txn(transaction, {
      what,
      repeatable: true,
    });
    if (!held) return;
    this.#saidText = JSON.stringify(value);
    this.#liveLease = lease;
    log.info('this server is known to be alive');
    // RETURN_OWNS: by the state as it is now, it goes on under what is its own.
    const desired = results.at(-1);
    const wanted = desired?.kind === 'get' ? (desired.entries[0]?.modRevision ?? 0) : revision;
    this.#ownership.returned(sentAt, wanted, revision);
    this.#lookAtFence();
  }

  async #sayMore(live: Entry<LiveServerValue>, lease: string): Promise<void> {
    const { registry, identity } = this.#options;
    const value = { ...this.#says(), identity };
    const text = JSON.stringify(value);
    if (text === this.#saidText || live.lease !== lease) return;
    await registry.client.kv.put(live.key, text, lease);
    this.#saidText = text;
  }

  #mayHelpItself({ hasController }: OwnKeys): boolean {
    if (hasController) {
      this.#noControllerSince = undefined;
      return false;
    }
    this.#noControllerSince ??= performance.now();
    const after = this.#options.chainAfterMs ?? CHAIN_AFTER_MS;
    return performance.now() - this.#noControllerSince >= after;
  }

  /** Resolves when something may be different. */
  async #news(): Promise<void> {
    await Promise.race([
      new Promise<void>((resolve) => this.#waiting.push(resolve)),
      pause(LOOK_EVERY * LOOKS_WHILE_MISSING, undefined, { ref: false }),
    ]);
  }

  #trouble(error: unknown): void {
    if (this.#closed || !this.#said.isNews(error, 'trouble')) return;
    this.#options.log.warn({ error }, 'etcd does not take what this server says; trying again');
  }
}
