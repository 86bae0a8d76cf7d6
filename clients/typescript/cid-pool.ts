// SPDX-License-Identifier: Apache-2.0
// Long because every public method of the pool is here, with what it promises.
import { EventEmitter } from 'node:events';
import { CidecarError } from '../../core/index.js';
import type { CidBatch, SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';
import { whyLengthUnusable, whyUnusable } from './batch-check.js';
import { BatchQueue } from './batch-queue.js';
import { FailoverCids } from './failover-cids.js';
import type { FeedHandlers, IssuedNow } from './feed.js';
import { closedError, FirstCids, unavailable } from './first-cids.js';
import { Freshness } from './freshness.js';
import { Generations } from './generations.js';
import type { HeldGenerations } from './held-report.js';
import type { CidPoolEvents, CidPoolStats } from './pool-events.js';
import {
  type CidPoolOptions,
  connectClient,
  readCidLength,
  readIntroduction,
  readLevels,
} from './pool-options.js';
import type { PooledCid } from './pooled-cid.js';
import { ReissueOrders } from './reissue-orders.js';
import { ResetTokenQuestions } from './reset-token-questions.js';
import { SidecarFeed } from './sidecar-feed.js';

/** The most credit that any sidecar gives. */
const MOST_CREDIT = 65_536;

/**
 * A supply of CIDs for a QUIC stack, whose hooks can neither wait nor fail. `take()` is
 * synchronous: it gives a CID of a local supply that is refilled in the background, or a 0b111
 * CID of the same length while the supply is empty. The pool handles restarts of the sidecar,
 * changes of config and lost connections by itself; its events say what the server has to do.
 */
export class CidPool extends EventEmitter<CidPoolEvents> {
  readonly #client: SidecarServiceClient;
  readonly #lowWater: number;
  readonly #highWater: number;
  readonly #queue = new BatchQueue();
  readonly #feed: SidecarFeed;
  readonly #freshness: Freshness;
  readonly #resetTokens: ResetTokenQuestions;
  #cidLength: number | undefined;
  #failover: FailoverCids | undefined;
  /** High water, or what the sidecar allows to be asked for where that is less. */
  #most: number;
  /** CIDs that were asked for on the present stream and have not come. */
  #outstanding = 0;
  readonly #generations = new Generations();
  readonly #reissues = new ReissueOrders();
  readonly #firstCids = new FirstCids();
  #zeroHostId = false;
  #dry = false;
  #taken = 0;
  #made = 0;
  #closed = false;

  /** Connects in the background and goes on trying. Throws ARGUMENT_INVALID. */
  static connect(options: CidPoolOptions): CidPool {
    return new CidPool(options);
  }

  private constructor(options: CidPoolOptions) {
    super();
    const { lowWater, highWater } = readLevels(options);
    this.#lowWater = lowWater;
    this.#highWater = highWater;
    this.#most = highWater;
    this.#cidLength = readCidLength(options);
    this.#client = connectClient(options);
    this.#freshness = new Freshness(() => this.#fallStale());
    const pool = this;
    this.#feed = new SidecarFeed({
      client: this.#client,
      socket: options.socket,
      introduction: readIntroduction(options),
      held: this.#heldBySidecar(options),
      handlers: this.#handlers(),
      pool: {
        get generation() {
          return pool.#generations.toSidecar(pool.#generations.present);
        },
        get oldestGeneration() {
          return pool.#generations.toSidecar(pool.#reissues.oldest);
        },
      },
    });
    this.#resetTokens = new ResetTokenQuestions((cid) => this.#feed.resetToken(cid));
  }

  #heldBySidecar({ heldGenerations }: CidPoolOptions): (() => HeldGenerations) | undefined {
    if (heldGenerations === undefined) return undefined;
    return () =>
      Array.from(heldGenerations(), ([generation, connections]) => [
        this.#generations.toSidecar(generation),
        connections,
      ]);
  }

  #handlers(): FeedHandlers {
    return {
      onIssuedNow: (now) => this.#onIssuedNow(now),
      onBatch: (batch) => this.#onBatch(batch),
      onReissue: ({ throughGeneration, deadline }) => {
        const through = this.#generations.toServer(throughGeneration);
        this.#reissues.order({ throughGeneration: through, deadline });
        this.#giveReissue();
      },
      onGenerationSeen: (generation) =>
        this.#reissues.noticeMissed(this.#generations.toServer(generation)),
      onVoid: () => this.#queue.filter(() => false),
      onHeard: () => this.#heard(),
      onLost: () => {
        this.#outstanding = 0;
      },
      onConnected: () => this.emit('connected'),
      onDisconnected: (error) => this.emit('disconnected', error),
      onTrouble: (error) => this.emit('trouble', error),
    };
  }

  /**
   * Resolves when there are CIDs. Rejects with SIDECAR_UNAVAILABLE when the pool is closed
   * before that, or after `timeout` milliseconds, if given; the pool goes on trying then. The
   * message and the cause say why no CIDs came. Without a timeout only `trouble` events do.
   */
  async ready(options: { readonly timeout?: number } = {}): Promise<void> {
    if (this.#queue.size > 0 && !this.#freshness.passed) return;
    if (this.#closed) throw closedError();
    await this.#firstCids.wait(options.timeout, () => this.#whyNone());
  }

  /**
   * Octets of every CID. Throws SIDECAR_UNAVAILABLE while they are unknown: await `ready()` first.
   */
  get cidLength(): number {
    if (this.#cidLength !== undefined) return this.#cidLength;
    const message = 'the CID length is not known before the first CIDs come: await ready()';
    throw unavailable(message, this.#feed.lastError);
  }

  /** How many CIDs of the sidecar the pool holds. */
  get level(): number {
    return this.#queue.size;
  }

  /** Whether CIDs come, and orders to replace them: one without the other is no connection. */
  get connected(): boolean {
    return this.#feed.connected;
  }

  /**
   * The generation of the CIDs that are issued now; it grows when earlier ones become void. The pool
   * counts on where the sidecar lost its state and began anew, so no number comes twice.
   */
  get generation(): number {
    return this.#generations.present;
  }

  get stats(): CidPoolStats {
    return {
      connected: this.connected,
      level: this.level,
      generation: this.generation,
      dry: this.#dry,
      stale: this.#freshness.passed,
      silence: this.#freshness.silence,
      taken: this.#taken,
      made: this.#made,
      lastError: this.#feed.lastError,
    };
  }

  /**
   * A CID that was never used before. Only where 0b111 CIDs are so short that this process has made
   * all of them (16 million where 24 bits are free) do those begin again, the oldest first, which
   * `trouble` tells. Throws SIDECAR_UNAVAILABLE only while the CID length is
   * unknown: before `ready()`, if no `cidLength` was given.
   */
  take(): PooledCid {
    if (this.#freshness.passed) return this.#takeFailover();
    const taken = this.#queue.shift();
    if (this.#queue.size + this.#outstanding < Math.min(this.#lowWater, this.#most)) this.#ask();
    if (taken === undefined) return this.#takeFailover();
    this.#taken += 1;
    if (taken.routable) this.#reissues.took(taken.generation);
    return taken;
  }

  /**
   * Asks the sidecar whether a CID carries an ID of this server, since the pool has no key.
   * Rejects with SIDECAR_UNAVAILABLE, whose cause is the answer of gRPC.
   */
  isOwn(cid: Uint8Array): Promise<boolean> {
    return this.#feed.isOwn(cid);
  }

  /**
   * The stateless reset token, 16 octets, of a CID of this server that no connection here has:
   * one that an earlier process had. Null where the sidecar says that it is none. A server that
   * answered for the CIDs of others would let anybody end their connections (RFC 9000, section
   * 21.11). The pool keeps answers for some seconds. Rejects with SIDECAR_UNAVAILABLE if there is
   * no answer, or if 16 questions wait for one.
   */
  resetToken(cid: Uint8Array): Promise<Uint8Array | null> {
    return this.#resetTokens.ask(cid);
  }

  /**
   * To be called when connections gave up CIDs of earlier generations, as often as that happens.
   * `heldGenerations` is asked at most once a second, and the sidecar hears what changed.
   */
  reportHeld(): void {
    this.#feed.reportHeld();
  }

  close(): void {
    this.#closed = true;
    this.#feed.close();
    this.#freshness.close();
    this.#client.close();
    this.#firstCids.close();
  }

  #takeFailover(): PooledCid {
    this.#fallDry();
    this.#made += 1;
    this.#failover ??= new FailoverCids(this.cidLength, this.#zeroHostId);
    try {
      return this.#failover.take(this.generation);
    } catch (error) {
      if (!(error instanceof CidecarError) || error.code !== 'NONCES_EXHAUSTED') throw error;
      // A stack's hook cannot fail. The CIDs made first come first, whose connections are likeliest
      // to be over.
      this.#failover.startOver();
      this.emit('trouble', error);
      return this.#failover.take(this.generation);
    }
  }

  #fallDry(): void {
    if (this.#dry) return;
    this.#dry = true;
    this.emit('dry');
  }

  // The CIDs stay in the pool: they are good again if it turns out that nothing has changed.
  #fallStale(): void {
    const silence = `nothing was heard from the sidecar for ${Math.round(this.#freshness.silence)} ms`;
    this.emit('stale', unavailable(silence, this.#feed.lastError));
    this.#fallDry();
  }

  #heard(): void {
    const wasStale = this.#freshness.passed;
    this.#freshness.heard();
    if (wasStale && this.#queue.size > 0) this.#haveCids();
    this.#giveReissue();
  }

  #haveCids(): void {
    this.#firstCids.came();
    if (!this.#queue.nextIsRoutable || !this.#dry) return;
    this.#dry = false;
    this.emit('recovered');
  }

  #whyNone(): CidecarError | undefined {
    if (this.#feed.lastError !== undefined) return this.#feed.lastError;
    const message = this.#feed.begun
      ? 'the sidecar answers, but sends no CIDs; its log says why'
      : 'the sidecar does not answer';
    return new CidecarError('SIDECAR_UNAVAILABLE', message);
  }

  #ask(): void {
    const credit = this.#most - this.#queue.size - this.#outstanding;
    if (credit > 0 && this.#feed.ask(credit)) this.#outstanding += credit;
  }

  #onBatch(batch: CidBatch): CidecarError | undefined {
    const trouble = whyUnusable(batch, this.#cidLength, this.#outstanding);
    if (trouble !== undefined) return trouble;
    this.#outstanding -= batch.count;
    // The batch was on its way when its CIDs became void.
    const generation = this.#generations.toServer(batch.generation);
    if (generation !== this.generation) {
      this.#ask();
      return undefined;
    }
    this.#cidLength = batch.cidLength;
    this.#freshness.limit(batch.lifetimeMs);
    this.#queue.push({ ...batch, generation });
    this.#haveCids();
    this.#giveReissue();
    return undefined;
  }

  // This also comes at the start of a stream, when mostly nothing has changed.
  #onIssuedNow(now: IssuedNow): CidecarError | undefined {
    const { generation, zeroHostId, cidLength, lifetimeMs, creditLimit } = now;
    const trouble = whyLengthUnusable(cidLength, this.#cidLength);
    if (trouble !== undefined) return trouble;
    this.#cidLength ??= cidLength;
    if (lifetimeMs !== undefined) this.#freshness.limit(lifetimeMs);
    if (creditLimit !== undefined) {
      this.#most = Math.min(this.#highWater, creditLimit === 0 ? MOST_CREDIT : creditLimit);
    }
    if (zeroHostId !== this.#zeroHostId) this.#failover = undefined;
    this.#zeroHostId = zeroHostId;
    if (this.#generations.begin(generation)) {
      this.#reissues.startAnew(this.#generations.base, this.generation);
    }
    this.#queue.filter((batch) => batch.routable && batch.generation === this.generation);
    const credit = Math.max(0, this.#most - this.#queue.size - this.#outstanding);
    this.#outstanding += credit;
    this.#feed.acknowledge(credit);
    return undefined;
  }

  // The CIDs for an order can be used up by the time that it comes. A server that obeys an order
  // at once must not replace void CIDs by CIDs that are void too, nor routable ones by 0b111 CIDs.
  #giveReissue(): void {
    if (!this.#queue.nextIsRoutable || this.#freshness.passed) return;
    const order = this.#reissues.next(this.generation);
    if (order !== undefined) this.emit('reissue', order);
  }
}
