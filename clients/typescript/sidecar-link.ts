// SPDX-License-Identifier: Apache-2.0
import type { ClientDuplexStream, ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import type { CidecarError } from '../../core/index.js';
import type {
  IssueStreamRequest,
  IssueStreamResponse,
  SidecarServiceClient,
  WatchResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import { refusalOf } from './refusal.js';
import { ResilientStream } from './resilient-stream.js';

export type IssueCall = ClientDuplexStream<IssueStreamRequest, IssueStreamResponse>;

export interface LinkHandlers {
  /** A new IssueStream, on which nothing was asked for yet. */
  onIssueOpen(call: IssueCall): void;
  onIssue(message: IssueStreamResponse): void;
  onWatch(message: WatchResponse): void;
  onIssueLost(): void;
  onWatchLost(): void;
  /** Both streams have begun; before the message by which that shows. */
  onConnected(): void;
  /** One of the streams is lost; comes once after each `onConnected()`. */
  onDisconnected(error: Error | undefined): void;
  /** Why there is no connection; once for each reason until there is one. */
  onTrouble(error: CidecarError): void;
}

/**
 * The two streams that a pool needs: one with CIDs, the other with orders to replace those in
 * use. Either is opened again when it breaks or is refused. With one of them only, a server
 * would get CIDs and never hear that they have to be replaced, so that is no connection.
 */
export class SidecarLink {
  readonly #handlers: LinkHandlers;
  readonly #socket: string | undefined;
  readonly #issue: ResilientStream<IssueStreamResponse, IssueCall>;
  readonly #watch: ResilientStream<WatchResponse, ClientReadableStream<WatchResponse>>;
  /** The streams on which a message has come. */
  readonly #begun = new Set<string>();
  #connected = false;
  /** The messages of reasons that were told since there was a connection. */
  readonly #told = new Set<string>();
  #lastError: CidecarError | undefined;

  /** @param socket path of the sidecar's socket, if it has one */
  constructor(client: SidecarServiceClient, socket: string | undefined, handlers: LinkHandlers) {
    this.#handlers = handlers;
    this.#socket = socket;
    this.#issue = new ResilientStream({
      open: () => client.issueStream(),
      onOpen: (call) => handlers.onIssueOpen(call),
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

  /** Why there is no connection, as far as that is known. */
  get lastError(): CidecarError | undefined {
    return this.#lastError;
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
    this.#told.clear();
    this.#lastError = undefined;
    this.#handlers.onConnected();
  }

  #lost(stream: string, error: ServiceError | undefined): void {
    const begun = this.#begun.delete(stream);
    const refusal = error === undefined ? undefined : refusalOf(stream, error, this.#socket);
    this.#lastError = refusal ?? this.#lastError;
    if (this.#connected) {
      this.#connected = false;
      this.#handlers.onDisconnected(refusal);
    }
    // A stream that had begun and broke is tried again at once, and the reason is old by then.
    if (begun || refusal === undefined || this.#told.has(refusal.message)) return;
    this.#told.add(refusal.message);
    this.#handlers.onTrouble(refusal);
  }
}
