// SPDX-License-Identifier: Apache-2.0
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';

export interface ResilientStreamOptions<Message, Call extends ClientReadableStream<Message>> {
  open(): Call;
  onOpen?(call: Call): void;
  onMessage(message: Message): void;
  /** The stream broke or ended; it is opened again after a pause. */
  onLost(error: ServiceError | undefined): void;
}

/** Pauses before the stream is opened again, in milliseconds. */
const FIRST_WAIT = 50;
const LONGEST_WAIT = 2_000;

/** A stream that is opened again after growing pauses when it breaks, until it is closed. */
export class ResilientStream<Message, Call extends ClientReadableStream<Message>> {
  readonly #options: ResilientStreamOptions<Message, Call>;
  #call: Call | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wait = FIRST_WAIT;
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
    this.#wait = LONGEST_WAIT;
    this.#call?.cancel();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
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
      // A random half of the pause is left out, so that servers do not all connect at one moment.
      this.#timer = setTimeout(() => this.#open(), this.#wait * (0.5 + Math.random() / 2));
      this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    };
    call.on('data', (message: Message) => {
      if (this.#call !== call) return;
      this.#wait = FIRST_WAIT;
      onMessage(message);
    });
    call.on('error', lost);
    call.on('end', () => lost());
    onOpen?.(call);
  }
}
