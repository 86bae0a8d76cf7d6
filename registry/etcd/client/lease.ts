// SPDX-License-Identifier: Apache-2.0
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { Backoff } from '../../../core/index.js';
import {
  type LeaseKeepAliveRequest,
  type LeaseKeepAliveResponse,
  LeaseService,
} from '../../../proto/gen/etcdserverpb/etcd.js';
import type { Connection } from './connection.js';
import { asksForLogin, callError, isLeaseUnknown, type RegistryCallError } from './errors.js';

export interface LeaseHandlers {
  /**
   * There is a new lease: puts the keys that hang on it. Called again with another ID whenever
   * the lease was lost. When it rejects, the lease is given back and another one is taken.
   */
  readonly onGranted: (leaseId: string) => void | Promise<void>;
  /** The lease is gone, and its keys with it. */
  readonly onLost?: (leaseId: string) => void;
  /** What failed; it is tried again. The lease, if there is one, may still live. */
  readonly onTrouble?: (error: RegistryCallError) => void;
  /** A member confirmed the lease, which then lives for `ttl` seconds at least. */
  readonly onKept?: (leaseId: string, ttl: number) => void;
}

export interface LeaseOptions {
  /** Seconds that the lease outlives its holder. etcd raises what is below 2. */
  readonly ttl: number;
}

type KeepAliveStream = ClientDuplexStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;

/** A lease that is kept alive, and taken anew when it is lost. */
export class Lease {
  readonly #connection: Connection;
  readonly #ttl: number;
  readonly #handlers: LeaseHandlers;
  readonly #backoff = new Backoff({ firstMs: 50, longestMs: 2_000, jitter: true });
  readonly #stopListening: () => void;
  #id: string | undefined;
  /** Seconds that etcd granted. */
  #granted = 0;
  #stream: KeepAliveStream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(connection: Connection, options: LeaseOptions, handlers: LeaseHandlers) {
    this.#connection = connection;
    this.#ttl = options.ttl;
    this.#handlers = handlers;
    this.#stopListening = connection.endpoints.onLeave(() => this.#stream?.cancel());
    void this.#take();
  }

  /** The lease that is held as far as is known. */
  get id(): string | undefined {
    return this.#id;
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
    clearTimeout(this.#timer);
    this.#stream?.cancel();
    this.#id = undefined;
  }

  async #take(): Promise<void> {
    try {
      // A grant whose answer is lost leaves a lease without keys, which goes by itself.
      const { ID, TTL } = await this.#connection.call(
        'grant of a lease',
        LeaseService.leaseGrant,
        { TTL: this.#ttl, ID: '0' },
        { repeatable: true },
      );
      if (this.#closed) return void this.#revoke(ID);
      this.#id = ID;
      this.#granted = TTL;
      // Kept alive from now on: putting the keys may take longer than the lease lives.
      void this.#keep(ID);
      await this.#handlers.onGranted(ID);
    } catch (error) {
      if (this.#closed) return;
      this.#handlers.onTrouble?.(callError('lease', error));
      const id = this.#id;
      this.#drop();
      if (id !== undefined) await this.#revoke(id);
      this.#backoff.retry(() => void this.#take());
    }
  }

  /** Keeps one lease alive on one stream; it ends with the stream. */
  async #keep(id: string): Promise<void> {
    let token: string | undefined;
    try {
      const open = await this.#connection.stream(LeaseService.leaseKeepAlive);
      const { stream, endpoint } = open;
      token = open.token;
      if (this.#id !== id) return stream.cancel();
      this.#stream = stream;
      this.#ask(stream, id, () => this.#connection.endpoints.leave(endpoint));
      try {
        for await (const answer of stream as AsyncIterable<LeaseKeepAliveResponse>) {
          if (this.#id !== id) return stream.cancel();
          if (answer.TTL <= 0) return this.#lost(id);
          this.#backoff.reset();
          this.#handlers.onKept?.(id, answer.TTL);
          clearTimeout(this.#timer);
          const leave = () => this.#connection.endpoints.leave(endpoint);
          this.#timer = setTimeout(() => this.#ask(stream, id, leave), this.#intervalMs);
        }
        throw new Error('the stream of keepalives ended');
      } catch (error) {
        if (this.#id === id) this.#connection.endpoints.leave(endpoint);
        throw error;
      }
    } catch (error) {
      if (this.#id !== id) return;
      if (asksForLogin(error)) this.#connection.discardToken(token);
      if (isLeaseUnknown(callError('lease', error))) return this.#lost(id);
      clearTimeout(this.#timer);
      this.#handlers.onTrouble?.(callError('keeping the lease', error));
      this.#backoff.retry(() => void this.#keep(id));
    }
  }

  get #intervalMs(): number {
    return (this.#granted * 1_000) / 3;
  }

  /** Asks once. Without an answer the stream is ended, and another member is asked. */
  #ask(stream: KeepAliveStream, id: string, leave: () => void): void {
    stream.write({ ID: id });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        leave();
        stream.cancel();
      },
      Math.min(this.#intervalMs / 2, 3_000),
    );
  }

  #lost(id: string): void {
    this.#drop();
    this.#handlers.onLost?.(id);
    if (!this.#closed) void this.#take();
  }

  #drop(): void {
    this.#id = undefined;
    clearTimeout(this.#timer);
    this.#stream?.cancel();
    this.#stream = undefined;
  }

  async #revoke(id: string): Promise<void> {
    const options = { repeatable: true, giveUpMs: 3_000 };
    // What cannot be revoked goes by itself.
    await this.#connection
      .call('revocation of a lease', LeaseService.leaseRevoke, { ID: id }, options)
      .catch(() => undefined);
  }
}
