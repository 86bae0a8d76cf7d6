// SPDX-License-Identifier: Apache-2.0
import { Backoff, SayOnce, SerialWork } from '../../core/index.js';
import type {
  Follow,
  KeyValue,
  Lease,
  Transaction,
  TransactionResult,
} from '../../registry/etcd/client/index.js';
import { acknowledge, announce, comeAlive } from '../../registry/etcd/fleet/index.js';
import type { MembershipOptions } from './membership-options.js';
import { describeOther, otherOfName, seenOf } from './name-owner.js';
import { followOwnRecord, type OwnRecord, readOwnRecord } from './own-record.js';
import type { Standing } from './standing.js';

/** Milliseconds between looks at a name that is taken. */
const LOOK_AGAIN_MS = 2_000;

/**
 * What this agent is to the others: it announces itself, catches up, is live, and acknowledges
 * what it holds. acknowledgements.ts of the fleet says what that means to them.
 */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #work = new SerialWork(() => this.#step());
  readonly #backoff = new Backoff({ firstMs: 100, longestMs: 2_000, jitter: true });
  readonly #said = new SayOnce();
  readonly #lease: Lease;
  readonly #follow: Pick<Follow, 'close'>;
  /** Kernel and disk hold this revision; 0 for nothing. */
  #holds = 0;
  /** What etcd has as the acknowledgement, as far as is known. */
  #acknowledged: number | undefined;
  /** The revision at which that is known. */
  #knownAt = 0;
  /** To be held before it announces itself, so that it holds up no gate for long. */
  #snapshot: number | undefined;
  /** CAUGHT_UP: to be held before it is live; undefined where it has to announce itself. */
  #goal: number | undefined;
  /** The revision at which it announced itself last. */
  #announcedAt = 0;
  /** The lease on which its sign of life hangs. */
  #liveLease: string | undefined;
  #standing: Standing = 'joining';
  #waitedFor: number | undefined;
  #wasAwaited: boolean | undefined;
  #leaseKeptAt: number | undefined;
  #lookAgain: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { client, keys, agent, ttl } = options;
    this.#lease = client.lease(
      { ttl },
      {
        onGranted: () => this.#rejoin(),
        onLost: () => this.#loseLease(),
        onKept: () => {
          this.#leaseKeptAt = performance.now();
        },
        onTrouble: (error) => this.#trouble(error),
      },
    );
    this.#follow = followOwnRecord(
      client,
      keys,
      agent,
      (awaited) => {
        this.#wasAwaited ??= awaited;
      },
      (...change) => this.#see(...change),
    );
  }

  /** Says what kernel and disk hold now; neither may hold less. */
  holds(revision: number): void {
    this.#holds = Math.max(this.#holds, revision);
    this.#go();
  }

  get standing(): Standing {
    return this.#standing;
  }

  /**
   * The revision that this agent was known to hold when it came: others wait for it at least
   * before they free what is newer. Undefined where nobody waited for it, or that is not known.
   */
  get waitedFor(): number | undefined {
    return this.#waitedFor;
  }

  /** Whether gates waited for this agent when it came; undefined where that is not known. */
  get wasAwaited(): boolean | undefined {
    return this.#wasAwaited;
  }

  /** The revision that others know this agent to hold; undefined where they know none. */
  get acknowledged(): number | undefined {
    return this.#acknowledged;
  }

  /** ID of the lease on which more of this agent's keys can hang; undefined while not live. */
  get lease(): string | undefined {
    return this.#standing === 'live' ? this.#liveLease : undefined;
  }

  /** Milliseconds since etcd confirmed the lease last; undefined where it has none. */
  get leaseAgeMs(): number | undefined {
    return this.#leaseKeptAt === undefined ? undefined : performance.now() - this.#leaseKeptAt;
  }

  /** Ends the sign of life. The acknowledgement stays: what is pinned goes on routing. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#backoff.cancel();
    clearTimeout(this.#lookAgain);
    this.#follow.close();
    await this.#lease.revoke();
    await this.#work.idle();
  }

  #go(): void {
    if (!this.#closed) void this.#work.run();
  }

  #rejoin(): void {
    this.#goal = undefined;
    this.#go();
  }

  #loseLease(): void {
    this.#leaseKeptAt = undefined;
    this.#options.log.warn('the lease of this agent is gone: joining again');
    this.#stand('joining');
    this.#goal = undefined;
  }

  /**
   * etcd was restored from a backup: what this agent acknowledged is of another history. It joins
   * anew, by what it holds from now on.
   */
  restored(): void {
    this.#holds = 0;
    this.#snapshot = undefined;
    this.#acknowledged = undefined;
    this.#knownAt = 0;
    this.#announcedAt = 0;
    this.#rejoin();
  }

  /** One of the keys is not what this agent made it. */
  #see(key: string, entry: KeyValue | undefined, revision: number): void {
    const { keys, agent } = this.#options;
    if (key === keys.countedOut(agent)) {
      if (entry !== undefined && revision > this.#announcedAt) this.#countedOut();
      return;
    }
    if (revision <= this.#knownAt) return;
    this.#knownAt = revision;
    this.#acknowledged = entry === undefined ? undefined : Number(entry.value.toString());
    this.#go();
  }

  #countedOut(): void {
    this.#goal = undefined;
    this.#snapshot = undefined;
    this.#acknowledged = undefined;
    if (this.#said.isNews('counted out', 'standing')) {
      this.#options.log.warn(
        'an operator counted this agent out: it must get no packets until it has joined again',
      );
    }
    this.#stand('counted out');
    this.#go();
  }

  async #step(): Promise<void> {
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
    const { keys, agent } = this.#options;
    const lease = this.#lease.id;
    if (lease === undefined || this.#holds === 0) return false;
    if (this.#goal === undefined) return this.#announce();
    const holds = this.#holds;
    if (this.#liveLease !== lease || this.#standing !== 'live') {
      return holds >= this.#goal ? this.#comeAlive(lease, holds) : false;
    }
    if (this.#acknowledged === holds) return false;
    const result = await this.#txn('acknowledgement', acknowledge(keys, agent, holds, lease));
    this.#learn(result, holds);
    return true;
  }

  /** The first step of joining. */
  async #announce(): Promise<boolean> {
    const { client, keys, agent, onChange } = this.#options;
    const own = await readOwnRecord(client, keys, agent);
    if (this.#isTaken(own)) return false;
    if (own.countedOut) {
      this.#countedOut();
      // OUT_CAUGHT_UP: the announcement takes the word out of the store, so the disk has it first.
      await this.#options.rememberOut();
    }
    this.#waitedFor = own.acknowledged;
    this.#wasAwaited ??= own.awaited;
    onChange();
    this.#snapshot ??= own.revision;
    const holds = this.#holds;
    // What it holds is older than it has to be, or is of the time before etcd was restored.
    if (holds < this.#snapshot || holds > own.at) return false;
    const { owner } = this.#options;
    const transaction = announce(keys, { agent, owner, holds, seen: seenOf(own) });
    const result = await this.#txn('announcement', transaction);
    if (!result.held) return true;
    const revision = result.results.at(-1);
    this.#goal = revision?.kind === 'get' ? (revision.entries[0]?.modRevision ?? 0) : 0;
    this.#snapshot = undefined;
    this.#liveLease = undefined;
    this.#acknowledged = holds;
    this.#knownAt = result.revision;
    this.#announcedAt = result.revision;
    if (this.#standing === 'name taken') this.#stand('joining');
    onChange();
    return true;
  }

  async #comeAlive(lease: string, holds: number): Promise<boolean> {
    const { client, keys, agent, log } = this.#options;
    const own = await readOwnRecord(client, keys, agent);
    if (this.#isTaken(own) || holds > own.at) return false;
    const { identity, host } = this.#options.owner;
    const value = { identity, host, since: holds };
    const of = { agent, lease, value, holds, seen: seenOf(own) };
    const result = await this.#txn('sign of life', comeAlive(keys, of));
    if (result.held) {
      this.#liveLease = lease;
      this.#stand('live');
      this.#said.over('standing');
      log.info({ agent, revision: holds }, 'joined the fleet');
    }
    this.#learn(result, holds);
    return true;
  }

  /** Whether another agent has this name, at which it then looks again later. */
  #isTaken(own: OwnRecord): boolean {
    const { agent, owner, log } = this.#options;
    const other = otherOfName(own, owner);
    if (other === undefined) return false;
    this.#goal = undefined;
    this.#stand('name taken');
    if (this.#said.isNews(`taken ${other.away} ${other.isFormer}`, 'standing')) {
      const fields = { agent, identity: owner.identity, other: other.identity, host: other.host };
      log[other.isFormer ? 'info' : 'error'](fields, describeOther(agent, other));
    }
    clearTimeout(this.#lookAgain);
    this.#lookAgain = setTimeout(() => this.#go(), LOOK_AGAIN_MS).unref();
    return true;
  }

  #learn({ held, revision }: TransactionResult, holds: number): void {
    this.#knownAt = revision;
    if (held) this.#acknowledged = holds;
    else {
      this.#goal = undefined;
      if (this.#standing === 'live') this.#stand('joining');
    }
    this.#options.onChange();
  }

  /** These have the same effect twice, so they are sent until they are answered. */
  #txn(what: string, transaction: Transaction) {
    return this.#options.client.kv.txn(transaction, { what, repeatable: true });
  }

  #stand(standing: Standing): void {
    if (this.#standing === standing) return;
    this.#standing = standing;
    this.#options.onChange();
  }

  #trouble(error: unknown): void {
    if (this.#closed || !this.#said.isNews(error, 'trouble')) return;
    this.#options.log.warn({ error }, 'etcd does not take what this agent says; trying again');
  }
}
