// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import type { Answer, Question } from '../../proto/gen/cidecar/v1/sidecar.js';
import type { CidQueries } from './cid-queries.js';

/** The most questions of a Session that may wait for an answer. */
export const QUESTION_LIMIT = 64;

export interface SessionQuestionsOptions {
  readonly queries: CidQueries;
  /** @param onSent to be called when the answer has left */
  answer(answer: Answer, onSent: () => void): void;
  /** A question has come; returns what to call with the code of its answer, or OK. */
  time(method: 'ResetToken' | 'IsOwn'): (code: string) => void;
  /** A fault of ours, to be logged. */
  onFault(error: unknown): void;
}

/** Answers the questions of one Session. */
export class SessionQuestions {
  readonly #options: SessionQuestionsOptions;
  /** Asked, and the answer has not left. */
  #waiting = 0;

  constructor(options: SessionQuestionsOptions) {
    this.#options = options;
  }

  /** Throws CREDIT_EXCEEDED. */
  ask({ number, about }: Question): void {
    this.#waiting += 1;
    if (this.#waiting > QUESTION_LIMIT) {
      const message = `${this.#waiting} questions wait for an answer; the limit is ${QUESTION_LIMIT}`;
      throw new CidecarError('CREDIT_EXCEEDED', message);
    }
    const timed = this.#options.time(about?.$case === 'resetTokenOf' ? 'ResetToken' : 'IsOwn');
    void this.#resultOf(about).then((result) => {
      timed(result.$case === 'refusal' ? result.value.code : 'OK');
      this.#options.answer({ number, result }, () => {
        this.#waiting -= 1;
      });
    });
  }

  async #resultOf(about: Question['about']): Promise<NonNullable<Answer['result']>> {
    const { queries, onFault } = this.#options;
    try {
      if (about?.$case === 'resetTokenOf') {
        return { $case: 'resetToken', value: await queries.resetToken(about.value) };
      }
      if (about?.$case === 'own') {
        const [own] = queries.isOwn(about.value, about.value.length);
        return { $case: 'own', value: own === 1 };
      }
      throw new CidecarError('ARGUMENT_INVALID', 'the question is about nothing');
    } catch (error) {
      if (error instanceof CidecarError) {
        return { $case: 'refusal', value: { code: error.code, message: error.message } };
      }
      onFault(error);
      return { $case: 'refusal', value: { code: 'INTERNAL', message: 'the sidecar failed' } };
    }
  }
}
