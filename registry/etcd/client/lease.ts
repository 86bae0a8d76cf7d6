// SPDX-License-Identifier: Apache-2.0
import { Backoff } from '../../../core/index.js';
import {
  type LeaseKeepAliveRequest,
  type LeaseKeepAliveResponse,
  LeaseService,
} from '../../../proto/gen/etcdserverpb/etcd.js';
import type { Connection, OpenStream } from './connection.js';
import { asksForLogin, callError, isLeaseUnknown, type RegistryCallError } from './errors.js';

export interface LeaseHandlers {
  /**
   * There is a new lease: puts the keys that hang on it. Called again with another ID whenever
   * the lease was lost, one call at a time. When it rejects, the lease is given back and another
   * one is taken.
   */
  readonly onGranted: (leaseId: string) => void | Promise<void>;
  /** The lease is gone, and its keys with it. Told after `onGranted` has ended. */
  readonly onLost?: (leaseId: string) => void;
  /** What failed; it is tried again. The lease, if there is one, may still live. */
  readonly onTrouble?: (error: RegistryCallError) => void;
  /**
   * A member confirmed the lease, which then lives for `ttl` seconds at least.
   *
   * @param sentAt when the question was sent, on the clock of the options. The answer may have
   * lain in this host for long, if the process stood still
   */
  readonly onKept?: (leaseId: string, ttl: number, sentAt: number) => void;
}

export interface LeaseOptions {
  /** Seconds that the lease outlives its holder. etcd raises what is below 2. */
  readonly ttl: number;
  /** The clock of `sentAt`, in milliseconds. Default: `performance.now`. */
  readonly now?: () => number;
}

type KeepAliveStream = OpenStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;

/** Milliseconds that a member has at most to answer a keepalive. */
const LONGEST_ANSWER_MS = 3_000;

/** A lease that is kept alive, and taken anew when it is lost. */
export class Lease {
  /** Called when it is closed, also by itself. */
  onClosed: () => void = () => {};
  readonly #connection: Connection;
  readonly #ttl: number;
  readonly #now: () => number;
  readonly #handlers: LeaseHandlers;
  readonly #backoff = new Backoff({ firstMs: 50, longestMs: 2_000, jitter: true });
  readonly #stopListening: () => void;
  #id: string | undefined;
  #keptAt: number | undefined;
  #open: KeepAliveStream | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the question that is not answered yet was sent. */
  #sentAt = 0;
  #closed = false;

  constructor(connection: Connection, options: LeaseOptions, handlers: LeaseHandlers) {
    this.#connection = connection;
    this.#ttl = options.ttl;
    this.#now = options.now ?? (() => performance.now());
    this.#handlers = handlers;
    this.#stopListening = connection.endpoints.onLeave((from) => {
      if (this.#open?.endpoint === from) this.#open.stream.cancel();
    });
    void this.#run();
  }

  /** The lease that is held as far as is known. */
  get id(): string | undefined {
    return this.#id;
  }

  /**
   * Milliseconds since a member last confirmed the lease; undefined without a lease. Beyond its
   * TTL the lease is probably gone, though nobody could say so yet.
   */
  get unconfirmedForMs(): number | undefined {
    return this.#keptAt === undefined ? undefined : performance.now() - this.#keptAt;
  }

  /** Ends keeping it alive and revokes it, which deletes its keys. Never rejects. */
  async revoke(): Promise<void> {
    const id = this.#id;
    this.close();
    if (id !== undefined) await this.#revoke(id);
  }

  /** Ends keeping it alive; it and its keys go when its time is over. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#backoff.cancel();
    this.#drop();
    this.onClosed();
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#hold();
      } catch (error) {
        if (this.#closed) return;
        this.#handlers.onTrouble?.(callError('lease', error));
        await this.#pause();
      }
    }
  }

  /** One lease from its grant to its loss. Rejects when there is none to be had. */
  async #hold(): Promise<void> {
    // A grant whose answer is lost leaves a lease without keys, which goes by itself.
    const { ID, TTL } = await this.#connection.call(
      'grant of a lease',
      LeaseService.leaseGrant,
      { TTL: this.#ttl, ID: '0' },
      { repeatable: true },
    );
    if (this.#closed) return this.#revoke(ID);
    this.#id = ID;
    this.#keptAt = performance.now();
    // Kept alive at once: putting the keys may take longer than the lease lives.
    const kept = this.#keepUntilLost(ID, (TTL * 1_000) / 3);
    try {
      await this.#handlers.onGranted(ID);
    } catch (error) {
      this.#drop();
      await this.#revoke(ID);
      throw error;
    }
    await kept;
    if (!this.#closed) this.#handlers.onLost?.(ID);
  }

  /** Resolves when etcd says that there is no such lease, or when it was dropped. */
  async #keepUntilLost(id: string, intervalMs: number): Promise<void> {
    while (this.#id === id) {
      try {
        await this.#keepOnOneStream(id, intervalMs);
      } catch (error) {
        if (this.#id !== id) return;
        if (asksForLogin(error)) this.#connection.discardToken(this.#open?.token);
        const failed = callError('keeping the lease', error);
        if (isLeaseUnknown(failed)) return this.#drop();
        this.#handlers.onTrouble?.(failed);
        await this.#pause();
      }
    }
  }

  async #keepOnOneStream(id: string, intervalMs: number): Promise<void> {
    const open = await this.#connection.stream(LeaseService.leaseKeepAlive);
    const { stream, endpoint } = open;
    if (this.#id !== id) return stream.cancel();
    this.#open = open;
    const ask = () => this.#ask(open, id, Math.min(intervalMs / 2, LONGEST_ANSWER_MS));
    try {
      ask();
      for await (const answer of stream as AsyncIterable<LeaseKeepAliveResponse>) {
        if (this.#id !== id) return;
        if (answer.TTL <= 0) return this.#drop();
        this.#keptAt = performance.now();
        this.#backoff.reset();
        this.#handlers.onKept?.(id, answer.TTL, this.#sentAt);
        clearTimeout(this.#timer);
        this.#timer = setTimeout(ask, intervalMs);
      }
      throw new Error('the stream of keepalives ended');
    } catch (error) {
      if (this.#id === id) {
        clearTimeout(this.#timer);
        this.#connection.endpoints.leave(endpoint);
      }
      throw error;
    } finally {
      stream.cancel();
    }
  }

  /** Asks once. Without an answer the stream is ended, and another member is asked. */
  #ask({ stream, endpoint }: KeepAliveStream, id: string, answerMs: number): void {
    this.#sentAt = this.#now();
    stream.write({ ID: id });
    this.#timer = setTimeout(() => {
      this.#connection.endpoints.leave(endpoint);
      stream.cancel();
    }, answerMs);
  }

  #drop(): void {
    this.#id = undefined;
    this.#keptAt = undefined;
    clearTimeout(this.#timer);
    this.#open?.stream.cancel();
    this.#open = undefined;
  }

  async #revoke(id: string): Promise<void> {
    const options = { repeatable: true, giveUpMs: 3_000 };
    // What cannot be revoked goes by itself.
    await this.#connection
      .call('revocation of a lease', LeaseService.leaseRevoke, { ID: id }, options)
      .catch(() => undefined);
  }

  /** Does not end where the lease was closed meanwhile. */
  #pause(): Promise<void> {
    return new Promise((resolve) => this.#backoff.retry(resolve));
  }
}
