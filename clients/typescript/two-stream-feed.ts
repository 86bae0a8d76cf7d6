// SPDX-License-Identifier: Apache-2.0
import type { CidecarError } from '../../core/index.js';
import type {
  IssueStreamResponse,
  SidecarServiceClient,
  WatchResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { Feed, FeedHandlers, PoolState } from './feed.js';
import type { LinkErrors } from './link-errors.js';
import { SidecarLink } from './sidecar-link.js';
import { askIsOwn, askResetToken } from './sidecar-questions.js';

export interface TwoStreamFeedOptions {
  readonly client: SidecarServiceClient;
  /** Path of the sidecar's socket, if it has one. */
  readonly socket: string | undefined;
  readonly handlers: FeedHandlers;
  readonly errors: LinkErrors;
  readonly pool: PoolState;
}

/**
 * Brings a pool its CIDs from a sidecar of the release before Session: on IssueStream and Watch,
 * whose messages come in no order.
 */
export class TwoStreamFeed implements Feed {
  readonly #options: TwoStreamFeedOptions;
  readonly #link: SidecarLink;
  /** What the present Watch says is issued now; undefined until it has said so. */
  #watchedGeneration: number | undefined;
  /** Whether the present IssueStream has said what is issued now. */
  #switched = false;

  constructor(options: TwoStreamFeedOptions) {
    this.#options = options;
    const { client, handlers, errors } = options;
    this.#link = new SidecarLink(client, errors, {
      onIssue: (message) => this.#onIssue(message),
      onWatch: (message) => this.#onWatch(message),
      onIssueLost: () => {
        this.#switched = false;
        handlers.onLost();
      },
      onWatchLost: () => {
        this.#watchedGeneration = undefined;
      },
      onConnected: () => handlers.onConnected(),
      onDisconnected: (error) => handlers.onDisconnected(error),
    });
  }

  get connected(): boolean {
    return this.#link.connected;
  }

  get begun(): boolean {
    return this.#switched;
  }

  get lastError(): CidecarError | undefined {
    return this.#options.errors.last;
  }

  ask(credit: number): boolean {
    const call = this.#link.issueCall;
    if (call === undefined) return false;
    call.write({ credit, acknowledgedGeneration: this.#options.pool.generation });
    return true;
  }

  acknowledge(credit: number): void {
    this.ask(credit);
  }

  /** These streams have no words for it. */
  reportHeld(): void {}

  resetToken(cid: Uint8Array): Promise<Uint8Array | null> {
    return askResetToken(this.#options.client, this.#options.socket, cid);
  }

  isOwn(cid: Uint8Array): Promise<boolean> {
    return askIsOwn(this.#options.client, cid);
  }

  close(): void {
    this.#link.close();
  }

  #onIssue({ event }: IssueStreamResponse): void {
    const { handlers } = this.#options;
    if (event?.$case === 'generationSwitch') {
      this.#switched = true;
      const unsaid = { cidLength: undefined, lifetimeMs: undefined, creditLimit: undefined };
      handlers.onIssuedNow({ ...event.value, ...unsaid });
    }
    handlers.onHeard();
    if (event?.$case !== 'batch') return;
    const trouble = handlers.onBatch(event.value);
    if (trouble === undefined) return;
    handlers.onTrouble(trouble);
    this.#link.abandonIssue();
  }

  #onWatch({ event }: WatchResponse): void {
    const { handlers, pool } = this.#options;
    if (event?.$case === 'reissue') {
      const { throughGeneration, deadline = new Date() } = event.value;
      if (throughGeneration >= pool.generation) this.#watchedGeneration = undefined;
      handlers.onReissue({ throughGeneration, deadline });
    }
    if (event?.$case === 'minting') this.#watched(event.value.generation);
    // Else the other stream is about to say which CIDs are void.
    if (this.#watchedGeneration === pool.generation) handlers.onHeard();
  }

  #watched(generation: number): void {
    const { handlers, pool } = this.#options;
    this.#watchedGeneration = generation;
    handlers.onGenerationSeen(generation);
    // There is no IssueStream that could say so.
    if (!this.#switched && generation !== pool.generation) handlers.onVoid();
  }
}
