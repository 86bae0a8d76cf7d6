// SPDX-License-Identifier: Apache-2.0
import type { ServiceError } from '@grpc/grpc-js';
import type { CidecarError } from '../../core/index.js';
import { refusalOf } from './refusal.js';

/** Reasons that are kept, since a sidecar can have endlessly many. */
const MOST_TOLD = 64;

/** Keeps why there is no connection, and says each reason once until there is one. */
export class LinkErrors {
  readonly #socket: string | undefined;
  readonly #onTrouble: (error: CidecarError) => void;
  /** The messages of reasons that were told since there was a connection. */
  readonly #told = new Set<string>();
  #last: CidecarError | undefined;

  /** @param socket path of the sidecar's socket, if it has one */
  constructor(socket: string | undefined, onTrouble: (error: CidecarError) => void) {
    this.#socket = socket;
    this.#onTrouble = onTrouble;
  }

  get last(): CidecarError | undefined {
    return this.#last;
  }

  connected(): void {
    this.#told.clear();
    this.#last = undefined;
  }

  /** @param method name of the method whose stream is lost */
  note(method: string, error: ServiceError | undefined): CidecarError | undefined {
    if (error === undefined) return undefined;
    this.#last = refusalOf(method, error, this.#socket);
    return this.#last;
  }

  /** What the sidecar said cannot be used. */
  fault(error: CidecarError): void {
    this.#last = error;
    this.tell(error);
  }

  tell(refusal: CidecarError | undefined): void {
    if (refusal === undefined || this.#told.has(refusal.message)) return;
    if (this.#told.size >= MOST_TOLD) this.#told.clear();
    this.#told.add(refusal.message);
    this.#onTrouble(refusal);
  }
}
