// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';

/** Questions without an answer at one time. */
const AT_ONCE = 16;
/** Answers that are kept; the oldest goes first. */
const KEPT = 1024;
/** Milliseconds for which an answer is kept. Clients repeat themselves for seconds. */
const KEPT_MS = 10_000;

interface Kept {
  readonly answer: Promise<Uint8Array | null>;
  readonly at: number;
}

/**
 * Asks the sidecar for reset tokens. Anybody can make a server ask by sending it packets, so
 * there are never many questions at once, and none is repeated within some seconds.
 */
export class ResetTokenQuestions {
  readonly #ask: (cid: Uint8Array) => Promise<Uint8Array | null>;
  readonly #kept = new Map<string, Kept>();
  #open = 0;

  /** @param ask null where the CID is none of this server; rejects with SIDECAR_UNAVAILABLE */
  constructor(ask: (cid: Uint8Array) => Promise<Uint8Array | null>) {
    this.#ask = ask;
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
    this.#open += 1;
    const answer = this.#ask(Uint8Array.from(cid)).finally(() => {
      this.#open -= 1;
    });
    this.#keep(key, answer);
    return answer;
  }

  #keep(key: string, answer: Promise<Uint8Array | null>): void {
    this.#kept.delete(key);
    this.#kept.set(key, { answer, at: performance.now() });
    answer.catch(() => this.#kept.delete(key)); // It is asked again.
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
  }
}
