// SPDX-License-Identifier: Apache-2.0
import type { CidecarError } from '../../core/index.js';
import type { SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';
import type { Feed, FeedHandlers, PoolState } from './feed.js';
import type { HeldGenerations } from './held-report.js';
import { LinkErrors } from './link-errors.js';
import type { Introduction } from './pool-options.js';
import { SessionFeed } from './session-feed.js';
import { TwoStreamFeed } from './two-stream-feed.js';

export interface SidecarFeedOptions {
  readonly client: SidecarServiceClient;
  /** Path of the sidecar's socket, if it has one. */
  readonly socket: string | undefined;
  readonly introduction: Introduction;
  readonly held: (() => HeldGenerations) | undefined;
  readonly handlers: FeedHandlers;
  readonly pool: PoolState;
}

/** Milliseconds before a Session is tried again after the two streams broke. */
const PAUSE_MS = 50;
/** Milliseconds that the two streams have to begin before a Session is tried again. */
const BEGIN_WITHIN_MS = 2_000;

/**
 * Brings a pool its CIDs by a Session, or by the two streams of a sidecar of an earlier release.
 * When these break, the sidecar may have been replaced, so a Session is tried again.
 */
export class SidecarFeed implements Feed {
  readonly #options: SidecarFeedOptions;
  readonly #errors: LinkErrors;
  #feed: Feed;
  #change: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: SidecarFeedOptions) {
    this.#options = options;
    this.#errors = new LinkErrors(options.socket, (error) => options.handlers.onTrouble(error));
    this.#feed = this.#session();
  }

  get connected(): boolean {
    return this.#feed.connected;
  }

  get begun(): boolean {
    return this.#feed.begun;
  }

  get lastError(): CidecarError | undefined {
    return this.#errors.last;
  }

  ask(credit: number): boolean {
    return this.#feed.ask(credit);
  }

  acknowledge(credit: number): void {
    this.#feed.acknowledge(credit);
  }

  reportHeld(): void {
    this.#feed.reportHeld();
  }

  resetToken(cid: Uint8Array): Promise<Uint8Array | null> {
    return this.#feed.resetToken(cid);
  }

  isOwn(cid: Uint8Array): Promise<boolean> {
    return this.#feed.isOwn(cid);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#change);
    this.#feed.close();
  }

  #session(): Feed {
    const errors = this.#errors;
    return new SessionFeed({
      ...this.#options,
      errors,
      onUnknown: () => this.#use(() => this.#twoStreams()),
    });
  }

  #twoStreams(): Feed {
    const { handlers } = this.#options;
    const errors = this.#errors;
    this.#trySession(BEGIN_WITHIN_MS);
    return new TwoStreamFeed({
      ...this.#options,
      errors,
      handlers: {
        ...handlers,
        onConnected: () => {
          clearTimeout(this.#change);
          handlers.onConnected();
        },
        onDisconnected: (error) => {
          this.#trySession(PAUSE_MS);
          handlers.onDisconnected(error);
        },
      },
    });
  }

  #trySession(afterMs: number): void {
    clearTimeout(this.#change);
    this.#change = setTimeout(() => this.#use(() => this.#session()), afterMs).unref();
  }

  #use(make: () => Feed): void {
    if (this.#closed) return;
    this.#feed.close();
    this.#options.handlers.onLost();
    this.#feed = make();
  }
}
