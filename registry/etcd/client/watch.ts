// SPDX-License-Identifier: Apache-2.0
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { Backoff } from '../../../core/index.js';
import {
  type Event,
  Event_EventType,
  type WatchRequest,
  type WatchResponse,
  WatchService,
} from '../../../proto/gen/etcdserverpb/etcd.js';
import type { Connection } from './connection.js';
import type { Endpoint } from './endpoints.js';
import { asksForLogin, callError, RegistryCallError } from './errors.js';
import { Fragments } from './fragments.js';
import { type KeyValue, keyValue } from './kv.js';
import { type KeyRange, rangeRequest } from './operations.js';

export type Change =
  | { readonly kind: 'put'; readonly entry: KeyValue }
  | { readonly kind: 'removed'; readonly key: string };

/** The changes of one transaction. */
export interface ChangeSet {
  readonly revision: number;
  readonly changes: readonly Change[];
}

export interface WatchHandlers {
  /**
   * Transactions in their order, none left out and none twice. The watch waits for the end. When
   * it rejects, the watch begins anew with the same ones.
   */
  readonly onChanges: (sets: readonly ChangeSet[]) => void | Promise<void>;
  /**
   * What lies between was compacted away, up to `compactRevision`: only a new Range helps. The
   * watch has ended.
   */
  readonly onCompacted: (compactRevision: number) => void;
  /** A member watches from now on, and is at this revision itself. */
  readonly onConnected?: (revision: number) => void;
  /** It does not, and is tried again. Told once for each time; REGISTRY_REFUSED: no right to. */
  readonly onDisconnected?: (error: RegistryCallError) => void;
  /**
   * The answer to `requestProgress`: the revision of the member. Versions before 3.4.25 and 3.5.8
   * may send it ahead of changes up to that revision.
   */
  readonly onProgress?: (revision: number) => void;
}

type WatchStream = ClientDuplexStream<WatchRequest, WatchResponse>;

interface Session {
  readonly stream: WatchStream;
  readonly endpoint: Endpoint;
  readonly token: string | undefined;
}

const FIRST_CREATE_MS = 1_000;
const LONGEST_CREATE_MS = 8_000;

/** A watch that goes on, after each break, at the revision where it was. */
export class Watch {
  /** Called when it is closed, also by itself. */
  onClosed: () => void = () => {};
  readonly #connection: Connection;
  readonly #range: KeyRange;
  readonly #handlers: WatchHandlers;
  readonly #backoff = new Backoff({ firstMs: 50, longestMs: 2_000, jitter: true });
  readonly #stopListening: () => void;
  #next: number;
  #createMs = FIRST_CREATE_MS;
  #session: Session | undefined;
  #connected = false;
  #told = false;
  /** A token that the watch was refused with: a second refusal is not due to its age. */
  #refusedOnce = false;
  #closed = false;

  /** @param startRevision the first revision whose changes are wanted */
  constructor(
    connection: Connection,
    range: KeyRange,
    startRevision: number,
    handlers: WatchHandlers,
  ) {
    this.#connection = connection;
    this.#range = range;
    this.#next = startRevision;
    this.#handlers = handlers;
    this.#stopListening = connection.endpoints.onLeave((from) => {
      if (this.#session?.endpoint === from) this.#session.stream.cancel();
    });
    void this.#run();
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Asks the member how far it is. False where there is none to ask. */
  requestProgress(): boolean {
    if (!this.#connected || this.#session === undefined) return false;
    const value = {};
    this.#session.stream.write({ requestUnion: { $case: 'progressRequest', value } });
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#connected = false;
    this.#stopListening();
    this.#backoff.cancel();
    this.#session?.stream.cancel();
    this.onClosed();
  }

  async #run(): Promise<void> {
    try {
      const session = await this.#connection.stream(WatchService.watch);
      if (this.#closed) return session.stream.cancel();
      this.#session = session;
      await this.#receive(session);
    } catch (error) {
      this.#fail(error);
    }
    if (!this.#closed) this.#backoff.retry(() => void this.#run());
  }

  async #receive({ stream, endpoint }: Session): Promise<void> {
    stream.write(this.#createRequest());
    const timer = setTimeout(() => {
      this.#createMs = Math.min(2 * this.#createMs, LONGEST_CREATE_MS);
      this.#connection.endpoints.leave(endpoint);
      stream.cancel();
    }, this.#createMs);
    const fragments = new Fragments();
    try {
      // Reading by turns holds the stream back while a handler is at work.
      for await (const response of stream as AsyncIterable<WatchResponse>) {
        if (this.#closed) return;
        if (response.created || response.canceled) clearTimeout(timer);
        if (response.canceled) return this.#canceled(response);
        if (response.created) this.#created(response);
        else if (response.events.length > 0 || response.fragment) {
          const events = fragments.add(response);
          if (events !== undefined) await this.#deliver(events);
        } else if (response.header !== undefined) {
          this.#handlers.onProgress?.(response.header.revision);
        }
      }
      throw new Error('the watch ended');
    } finally {
      clearTimeout(timer);
      stream.cancel();
    }
  }

  #createRequest(): WatchRequest {
    const { key, rangeEnd } = rangeRequest(this.#range);
    const value = {
      key,
      rangeEnd,
      startRevision: this.#next,
      progressNotify: false,
      filters: [],
      prevKv: false,
      watchId: 0,
      fragment: true,
    };
    return { requestUnion: { $case: 'createRequest', value } };
  }

  #created({ header }: WatchResponse): void {
    this.#backoff.reset();
    this.#createMs = FIRST_CREATE_MS;
    this.#connected = true;
    this.#told = false;
    this.#refusedOnce = false;
    this.#handlers.onConnected?.(header?.revision ?? 0);
  }

  async #deliver(events: readonly Event[]): Promise<void> {
    const sets = changeSets(events);
    const last = sets.at(-1);
    if (last === undefined) return;
    await this.#handlers.onChanges(sets);
    this.#next = last.revision + 1;
  }

  #canceled(response: WatchResponse): void {
    // The revision in the header of such a message is 0.
    if (response.compactRevision > 0) {
      this.close();
      this.#handlers.onCompacted(response.compactRevision);
      return;
    }
    const reason = response.cancelReason || 'without a reason';
    const refused = /PermissionDenied|Unauthenticated|permission denied|auth/i.test(reason);
    // A watch is refused alike for want of a right and for a token that is too old.
    if (refused && this.#connection.hasLogin && !this.#refusedOnce) {
      this.#refusedOnce = true;
      this.#connection.discardToken(this.#session?.token);
      return;
    }
    if (refused) this.#backoff.useLongest();
    throw new RegistryCallError(
      refused ? 'REGISTRY_REFUSED' : 'REGISTRY_UNAVAILABLE',
      `watch of ${String(this.#range.key)}: canceled by etcd: ${reason}`,
      { fate: 'not done', passing: !refused },
    );
  }

  #fail(error: unknown): void {
    const session = this.#session;
    this.#session = undefined;
    this.#connected = false;
    if (this.#closed) return;
    const failed = callError(`watch of ${String(this.#range.key)}`, error);
    if (failed.passing && session !== undefined) this.#connection.endpoints.leave(session.endpoint);
    if (asksForLogin(error)) this.#connection.discardToken(session?.token);
    if (this.#told) return;
    this.#told = true;
    this.#handlers.onDisconnected?.(failed);
  }
}

/** Events by transaction: those of one have one revision and lie side by side. */
function changeSets(events: readonly Event[]): ChangeSet[] {
  const sets: { revision: number; changes: Change[] }[] = [];
  for (const { type, kv } of events) {
    if (kv === undefined) continue;
    const entry = keyValue(kv);
    const change: Change =
      type === Event_EventType.DELETE
        ? { kind: 'removed', key: entry.key }
        : { kind: 'put', entry };
    const last = sets.at(-1);
    if (last?.revision === entry.modRevision) last.changes.push(change);
    else sets.push({ revision: entry.modRevision, changes: [change] });
  }
  return sets;
}
