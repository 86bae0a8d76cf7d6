// SPDX-License-Identifier: Apache-2.0
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { Backoff } from '../../core/index.js';

export interface ResilientStreamOptions<Message, Call extends ClientReadableStream<Message>> {
  open(): Call;
  onOpen?(call: Call): void;
  onMessage(message: Message): void;
  /** The stream broke or ended; it is opened again after a pause. */
  onLost(error: ServiceError | undefined): void;
}

/**
 * Milliseconds of the first pause and of the longest one before the stream is opened again. To
 * connect to a unix socket costs nothing, and a sidecar that is back is to be noticed in a second.
 */
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 500;

/** A stream that is opened again after growing pauses when it breaks, until it is closed. */
export class ResilientStream<Message, Call extends ClientReadableStream<Message>> {
  readonly #options: ResilientStreamOptions<Message, Call>;
  #call: Call | undefined;
  /** The one that was given up last, of which nothing is taken any more. */
  #abandoned: Call | undefined;
  /** With jitter, so that the servers of a host do not come back at one moment. */
  readonly #backoff = new Backoff({
    firstMs: FIRST_WAIT_MS,
    longestMs: LONGEST_WAIT_MS,
    jitter: true,
  });
  #closed = false;

  constructor(options: ResilientStreamOptions<Message, Call>) {
    this.#options = options;
    this.#open();
  }

  get call(): Call | undefined {
    return this.#call;
  }

  /** Gives the present stream up as if it had broken, with the longest pause. */
  abandon(): void {
    this.#backoff.useLongest();
    this.#abandoned = this.#call;
    this.#call?.cancel();
  }

  close(): void {
    this.#closed = true;
    this.#backoff.cancel();
    this.#call?.cancel();
    this.#call = undefined;
  }

  #open(): void {
    const { open, onOpen, onMessage, onLost } = this.#options;
    const call = open();
    this.#call = call;
    const lost = (error?: ServiceError) => {
      if (this.#call !== call) return;
      this.#call = undefined;
      if (this.#closed) return;
      onLost(error);
      // The listener may have closed it.
      if (!this.#closed) this.#backoff.retry(() => this.#open());
    };
    call.on('data', (message: Message) => {
      if (this.#call !== call || this.#abandoned === call) return;
      // A connect is no sign of life: it succeeds while the sidecar is still starting.
      this.#backoff.reset();
      onMessage(message);
    });
    call.on('error', lost);
    call.on('end', () => lost());
    onOpen?.(call);
  }
}
