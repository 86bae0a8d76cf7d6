// SPDX-License-Identifier: Apache-2.0
import type { ClientDuplexStream, ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import type {
  IssueStreamRequest,
  IssueStreamResponse,
  SidecarServiceClient,
  WatchResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { LinkErrors } from './link-errors.js';
import { ResilientStream } from './resilient-stream.js';

export type IssueCall = ClientDuplexStream<IssueStreamRequest, IssueStreamResponse>;

export interface LinkHandlers {
  onIssue(message: IssueStreamResponse): void;
  onWatch(message: WatchResponse): void;
  onIssueLost(): void;
  onWatchLost(): void;
  /** Both streams have begun; before the message by which that shows. */
  onConnected(): void;
  /** One of the streams is lost; comes once after each `onConnected()`. */
  onDisconnected(error: Error | undefined): void;
}

/**
 * The two streams that a pool needs where the sidecar has no Session: one with CIDs, the other with orders to replace those in
 * use. Either is opened again when it breaks or is refused. With one of them only, a server
 * would get CIDs and never hear that they have to be replaced, so that is no connection.
 */
export class SidecarLink {
  readonly #handlers: LinkHandlers;
  readonly #errors: LinkErrors;
  readonly #issue: ResilientStream<IssueStreamResponse, IssueCall>;
  readonly #watch: ResilientStream<WatchResponse, ClientReadableStream<WatchResponse>>;
  /** The streams on which a message has come. */
  readonly #begun = new Set<string>();
  #connected = false;

  constructor(client: SidecarServiceClient, errors: LinkErrors, handlers: LinkHandlers) {
    this.#handlers = handlers;
    this.#errors = errors;
    this.#issue = new ResilientStream({
      open: () => client.issueStream(),
      onMessage: (message) => {
        this.#begin('IssueStream');
        handlers.onIssue(message);
      },
      onLost: (error) => {
        handlers.onIssueLost();
        this.#lost('IssueStream', error);
      },
    });
    this.#watch = new ResilientStream({
      open: () => client.watch({}),
      onMessage: (message) => {
        this.#begin('Watch');
        handlers.onWatch(message);
      },
      onLost: (error) => {
        handlers.onWatchLost();
        this.#lost('Watch', error);
      },
    });
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** The present IssueStream. */
  get issueCall(): IssueCall | undefined {
    return this.#issue.call;
  }

  /** Gives the present IssueStream up as if it had broken, with the longest pause. */
  abandonIssue(): void {
    this.#issue.abandon();
  }

  close(): void {
    this.#issue.close();
    this.#watch.close();
  }

  #begin(stream: string): void {
    if (this.#begun.size === 2) return;
    this.#begun.add(stream);
    if (this.#begun.size < 2) return;
    this.#connected = true;
    this.#errors.connected();
    this.#handlers.onConnected();
  }

  #lost(stream: string, error: ServiceError | undefined): void {
    const begun = this.#begun.delete(stream);
    const refusal = this.#errors.note(stream, error);
    if (this.#connected) {
      this.#connected = false;
      this.#handlers.onDisconnected(refusal);
    }
    // A stream that had begun and broke is tried again at once, and the reason is old by then.
    if (!begun) this.#errors.tell(refusal);
  }
}
