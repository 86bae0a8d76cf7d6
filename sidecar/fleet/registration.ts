// SPDX-License-Identifier: Apache-2.0
import { Backoff, CidecarError, SayOnce, SerialWork } from '../../core/index.js';
import type { Lease } from '../../registry/etcd/client/index.js';
import {
  comeToLife,
  register,
  requireIdentity,
  type Sign,
} from '../../registry/etcd/fleet/index.js';
import type { LiveServerValue } from '../../registry/etcd/layout/index.js';
import type { DesiredState } from '../../registry/index.js';
import { allocateByChain } from './chain-allocation.js';
import { ControllerAbsence } from './controller-absence.js';
import { FenceWatch } from './fence-watch.js';
import { leaveOwnPool } from './leave-own-pool.js';
import { News } from './news.js';
import { isSameForServer } from './own-part.js';
import { missingIds, type OwnKeys, readOwnKeys } from './own-registration.js';
import { OwnRequest } from './own-request.js';
import { Ownership } from './ownership.js';
import type { RegistrationOptions } from './registration-options.js';
import { SignOfLife } from './sign-of-life.js';
import { untilRegistered } from './until-registered.js';
import { isAsWanted, wantedRequest } from './wanted-request.js';

/** Time between looks at the fence, and how many of them there are for one at the whole record. */
const LOOKS = { everyMs: 500, whileMissing: 4, whileSettled: 20 };

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
  readonly #request: OwnRequest;
  readonly #fence: FenceWatch;
  /** Whether it has all that it asks for, and is known to be alive. */
  #settled = false;
  #ticks = 0;
  readonly #timer: NodeJS.Timeout;
  readonly #ownership: Ownership;
  readonly #sign: SignOfLife;
  readonly #absence: ControllerAbsence;
  /** Whether the request is its own, as far as is known. */
  #registered = false;
  /** How often it helped itself to IDs. */
  selfAllocations = 0;
  #refusal: CidecarError | undefined;
  #state: DesiredState | undefined;
  readonly #news = new News();
  #closed = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    const { registry, pool, server, ttl, clock, fence } = options;
    this.#ownership = new Ownership((at) => fence.proven(at));
    this.#sign = new SignOfLife(options, this.#ownership);
    this.#absence = new ControllerAbsence(options.chainAfterMs);
    const { client, keys } = registry;
    this.#lease = client.lease(
      { ttl, now: () => clock.now() },
      {
        onGranted: () => this.#go(),
        onLost: () => {
          this.#sign.lost();
          options.log.warn('the lease of this server is gone: coming back');
        },
        onKept: (id, _ttl, sentAt) => {
          if (id !== this.#sign.lease) return;
          this.#ownership.heard(sentAt);
          this.#fence.look();
        },
        onTrouble: (error) => this.#trouble(error),
      },
    );
    this.#request = new OwnRequest(client, keys.request(pool, server), {
      look: () => this.#go(),
      onNews: () => this.#news.tell(),
    });
    this.#fence = new FenceWatch(() => this.fenced, options.log);
    this.#timer = setInterval(() => this.#tick(), LOOKS.everyMs).unref();
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
      news: () => this.#news.next(LOOKS.everyMs * LOOKS.whileMissing),
    });
  }

  /** Why another sidecar has this server; undefined where none has. */
  get refusal(): CidecarError | undefined {
    return this.#refusal;
  }

  get registered(): boolean {
    return this.#registered;
  }

  /** IDs that it asks for and does not have, by the newest state. */
  get missing(): number {
    return typeof this.#missing === 'number' ? this.#missing : 0;
  }

  /** Undefined before there is a state. */
  get #missing(): ReturnType<typeof missingIds> | undefined {
    return this.#state && missingIds(this.#state, this.#options);
  }

  get alive(): boolean {
    return this.#sign.lease !== undefined && this.#sign.lease === this.#lease.id;
  }

  get leaseAgeMs(): number | undefined {
    return this.#lease.unconfirmedForMs;
  }

  /** The registry has this state. */
  desired(state: DesiredState): void {
    const before = this.#state;
    if (before === state) return;
    this.#state = state;
    const pool = state.pools.find(({ name }) => name === this.#options.pool);
    this.#options.fence.poolHas(pool?.allocation?.hold);
    // Each host of a fleet takes each state: what concerns others must cost etcd nothing.
    if (before === undefined || !isSameForServer(before, state, this.#options)) this.#go();
  }

  /** The sidecar issues by the state of this revision. */
  inForce(revision: string): void {
    this.#ownership.inForce(revision);
    this.#fence.look();
  }

  /**
   * The sidecar issues from now on.
   *
   * @param says what others may know of it
   * @param onFence called when it may issue no more, and when it may again
   */
  serve(says: () => Omit<LiveServerValue, 'identity'>, onFence: () => void): void {
    this.#sign.says = says;
    this.#fence.onChange = onFence;
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
    if (this.#refusal !== undefined) return;
    await leaveOwnPool(this.#options);
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
    this.#request.close();
    this.#news.tell();
  }

  #go(): void {
    if (!this.#closed) void this.#work.run();
  }

  #tick(): void {
    this.#fence.look();
    this.#ticks += 1;
    // What has no event: that the pool has a controller, and that another one leaves this name.
    const every = this.#settled ? LOOKS.whileSettled : LOOKS.whileMissing;
    if (this.#ticks % every === 0) this.#go();
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
      this.#news.tell();
      this.#sign.lost();
      this.#fence.look();
      if (this.#said.isNews(error, 'refusal')) log.error({ error }, 'this server is another one');
      return false;
    }
    const { request } = seen;
    const lease = this.#lease.id;
    if (request === undefined || !isAsWanted(request.value, this.#options, this.#state)) {
      if (this.#state === undefined) return false;
      return this.#register(seen, lease);
    }
    this.#requestSays(request.value.hold);
    if (lease !== undefined && !this.#sign.stands(seen, lease)) {
      const own = { ...seen, request };
      const life = (sign: Sign) =>
        this.#request.writes(comeToLife(registry.keys, this.#options, own, sign));
      if (await this.#sign.begin(lease, life)) this.#fence.look();
      return true;
    }
    if (lease !== undefined && seen.live !== undefined) await this.#sign.say(seen.live, lease);
    if (this.#state === undefined) return false;
    const missing = this.#missing !== 0;
    this.#settled = !missing && this.alive;
    if (!missing || !this.#absence.isLong(seen)) return false;
    const { pool, server } = this.#options;
    if (await allocateByChain({ registry, pool, server, request })) {
      this.selfAllocations += 1;
      log.info({ pool, server }, 'the pool has no controller: took IDs without one');
    }
    return false;
  }

  /** Whether to look again at once. */
  async #register(seen: OwnKeys, lease: string | undefined): Promise<boolean> {
    const { registry, fence, log, pool, server } = this.#options;
    const { client, keys } = registry;
    const wanted = wantedRequest(this.#options, this.#state);
    await fence.requestWillSay(wanted.hold);
    const ask = (sign?: Sign) =>
      this.#request.writes(register(keys, this.#options, seen, wanted, sign));
    const what = `registration of server ${server}`;
    // What asks can say that it is alive in the same breath.
    const isHeld =
      lease !== undefined && !this.#sign.stands(seen, lease)
        ? await this.#sign.begin(lease, ask)
        : (await client.kv.txn(ask(), { what, repeatable: true })).held;
    if (!isHeld) return true;
    log.info({ pool, server }, 'asked for a server and its IDs');
    this.#requestSays(wanted.hold);
    this.#fence.look();
    this.#absence.isLong(seen);
    return false;
  }

  /** The request in etcd is its own. */
  #requestSays(hold: number | undefined): void {
    this.#options.fence.requestSays(hold);
    if (this.#registered) return;
    this.#registered = true;
    // Where IDs are missing, it is the answer that is worth a look.
    if (this.#missing === 0) this.#news.tell();
  }

  #trouble(error: unknown): void {
    if (this.#closed || !this.#said.isNews(error, 'trouble')) return;
    this.#options.log.warn({ error }, 'etcd does not take what this server says; trying again');
  }
}
