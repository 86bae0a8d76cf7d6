// SPDX-License-Identifier: Apache-2.0
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { CidecarError } from '../../core/index.js';
import type { SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';
import { refusalOf } from './refusal.js';

/** Milliseconds for an answer. A stateless reset that comes later helps nobody. */
const ANSWER_WITHIN_MS = 2_000;
/** Questions without an answer at one time. */
const AT_ONCE = 16;
/** Answers that are kept; the oldest goes first. */
const KEPT = 1024;
/** Milliseconds for which an answer is kept. Clients repeat themselves for seconds. */
const KEPT_MS = 10_000;

/** With these the sidecar says that the CID is none for which this server may answer. */
const NOT_OURS: ReadonlySet<number> = new Set([
  status.PERMISSION_DENIED,
  status.NOT_FOUND,
  status.INVALID_ARGUMENT,
]);

interface Kept {
  readonly answer: Promise<Uint8Array | null>;
  readonly at: number;
}

/**
 * Asks the sidecar for reset tokens. Anybody can make a server ask by sending it packets, so
 * there are never many questions at once, and none is repeated within some seconds.
 */
export class ResetTokenQuestions {
  readonly #client: SidecarServiceClient;
  readonly #socket: string | undefined;
  readonly #kept = new Map<string, Kept>();
  #open = 0;

  constructor(client: SidecarServiceClient, socket: string | undefined) {
    this.#client = client;
    this.#socket = socket;
  }

  /** Null where the CID is none of this server. Rejects with SIDECAR_UNAVAILABLE. */
  ask(cid: Uint8Array): Promise<Uint8Array | null> {
    const key = Buffer.from(cid).toString('latin1');
    const kept = this.#kept.get(key);
    if (kept !== undefined && performance.now() - kept.at < KEPT_MS) return kept.answer;
    if (this.#open >= AT_ONCE) {
      const message = `${AT_ONCE} questions for reset tokens wait for an answer, as many as may`;
      return Promise.reject(new CidecarError('SIDECAR_UNAVAILABLE', message));
    }
    const answer = this.#ask(Uint8Array.from(cid));
    this.#keep(key, answer);
    return answer;
  }

  async #ask(cid: Uint8Array): Promise<Uint8Array | null> {
    this.#open += 1;
    try {
      return await new Promise((done, reject) => {
        const deadline = Date.now() + ANSWER_WITHIN_MS;
        this.#client.resetToken({ cid }, new Metadata(), { deadline }, (error, response) => {
          if (error === null) done(response.token);
          else if (NOT_OURS.has(error.code)) done(null);
          else reject(refusalOf('ResetToken', error as ServiceError, this.#socket));
        });
      });
    } finally {
      this.#open -= 1;
    }
  }

  #keep(key: string, answer: Promise<Uint8Array | null>): void {
    this.#kept.delete(key);
    this.#kept.set(key, { answer, at: performance.now() });
    answer.catch(() => this.#kept.delete(key)); // It is asked again.
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
  }
}
