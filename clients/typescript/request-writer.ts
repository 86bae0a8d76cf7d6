// SPDX-License-Identifier: Apache-2.0
import type { SessionRequest } from '../../proto/gen/cidecar/v1/sidecar.js';

/** What the writer needs of a stream: `write` is false until it emits `drain`. */
export interface RequestStream {
  write(request: SessionRequest): boolean;
  on(event: 'drain', listener: () => void): unknown;
}

/**
 * Writes the requests of a Session. While the sidecar does not read, they are put together to one,
 * so that what waits does not grow with what the server does.
 */
export class RequestWriter {
  readonly #stream: RequestStream;
  #full = false;
  #waiting: SessionRequest | undefined;

  constructor(stream: RequestStream) {
    this.#stream = stream;
    stream.on('drain', () => this.#drained());
  }

  write(part: Partial<SessionRequest>): void {
    const request = { ...NOTHING, ...part };
    if (this.#full) this.#waiting = together(this.#waiting ?? NOTHING, request);
    else this.#full = !this.#stream.write(request);
  }

  #drained(): void {
    this.#full = false;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) this.write(waiting);
  }
}

const NOTHING: SessionRequest = { credit: 0, acknowledgedMinting: 0, questions: [] };

function together(earlier: SessionRequest, later: SessionRequest): SessionRequest {
  return {
    ...earlier,
    ...later,
    credit: earlier.credit + later.credit,
    acknowledgedMinting: Math.max(earlier.acknowledgedMinting, later.acknowledgedMinting),
    questions: [...earlier.questions, ...later.questions],
  };
}
