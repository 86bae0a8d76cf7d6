// SPDX-License-Identifier: Apache-2.0
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { CidecarError } from '../../core/index.js';
import type { Answer, Question, SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';
import { refusalOf } from './refusal.js';

/** Milliseconds for an answer. A stateless reset that comes later helps nobody. */
const ANSWER_WITHIN_MS = 2_000;

/** Questions that may wait for an answer, where the sidecar does not say fewer. */
const MOST_QUESTIONS = 64;

/** With these the sidecar says that the CID is none for which this server may answer. */
const NOT_OURS: ReadonlySet<string> = new Set([
  'FOREIGN_CID',
  'CONFIG_UNKNOWN',
  'CID_UNKNOWN',
  'ARGUMENT_INVALID',
]);
const NOT_OURS_STATUS: ReadonlySet<number> = new Set([
  status.PERMISSION_DENIED,
  status.NOT_FOUND,
  status.INVALID_ARGUMENT,
]);

type Result = Answer['result'];

interface Waiting {
  done(result: Result): void;
  failed(error: CidecarError): void;
}

/** The questions that wait for an answer on a Session. */
export class SidecarQuestions {
  readonly #waiting = new Map<number, Waiting>();
  /** Those that the sidecar has not answered, also where nobody waits any more. */
  readonly #unanswered = new Set<number>();
  #limit = MOST_QUESTIONS;
  #number = 0;

  /** @param most questions that may wait, above which the sidecar ends the Session; 0: not said */
  limit(most: number): void {
    this.#limit = most === 0 ? MOST_QUESTIONS : Math.min(most, MOST_QUESTIONS);
  }

  /**
   * Rejects with SIDECAR_UNAVAILABLE where no answer comes in time, the stream is lost, or too many
   * wait for one.
   */
  ask(about: NonNullable<Question['about']>, send: (question: Question) => void): Promise<Result> {
    if (this.#unanswered.size >= this.#limit) {
      return Promise.reject(
        unavailable(`${this.#limit} questions wait for an answer, as many as may`),
      );
    }
    this.#number += 1;
    const number = this.#number;
    this.#unanswered.add(number);
    return new Promise((done, reject) => {
      const over = () => {
        clearTimeout(timer);
        this.#waiting.delete(number);
      };
      const failed = (error: CidecarError) => {
        over();
        reject(error);
      };
      const late = () => failed(unavailable(`no answer within ${ANSWER_WITHIN_MS} ms`));
      const timer = setTimeout(late, ANSWER_WITHIN_MS);
      this.#waiting.set(number, {
        failed,
        done: (result) => {
          over();
          done(result);
        },
      });
      send({ number, about });
    });
  }

  answered({ number, result }: Answer): void {
    this.#unanswered.delete(number);
    this.#waiting.get(number)?.done(result);
  }

  /** No answers come any more. */
  lost(): void {
    this.#unanswered.clear();
    const error = unavailable('the connection was lost before the answer came');
    for (const { failed } of this.#waiting.values()) failed(error);
  }
}

/** Throws SIDECAR_UNAVAILABLE where the sidecar could not tell. */
export function tokenIn(result: Result): Uint8Array | null {
  if (result?.$case === 'resetToken') return result.value;
  if (result?.$case === 'refusal' && NOT_OURS.has(result.value.code)) return null;
  throw unavailable(
    result?.$case === 'refusal'
      ? result.value.message
      : 'the sidecar answered with neither a result nor a refusal',
  );
}

/** Throws SIDECAR_UNAVAILABLE where the sidecar could not tell. */
export function ownIn(result: Result): boolean {
  if (result?.$case === 'own') return result.value;
  throw unavailable(
    result?.$case === 'refusal'
      ? result.value.message
      : 'the sidecar answered with neither a result nor a refusal',
  );
}

/** As by the question of a Session, for a sidecar that has none. */
export function askResetToken(
  client: SidecarServiceClient,
  socket: string | undefined,
  cid: Uint8Array,
): Promise<Uint8Array | null> {
  return new Promise((done, reject) => {
    const deadline = Date.now() + ANSWER_WITHIN_MS;
    client.resetToken({ cid }, new Metadata(), { deadline }, (error, response) => {
      if (error === null) done(response.token);
      else if (NOT_OURS_STATUS.has(error.code)) done(null);
      else reject(refusalOf('ResetToken', error as ServiceError, socket));
    });
  });
}

export function askIsOwn(client: SidecarServiceClient, cid: Uint8Array): Promise<boolean> {
  return new Promise((done, reject) => {
    client.isOwn({ cids: cid, cidLength: cid.length }, (cause, response) => {
      if (cause === null) done(response.own[0] === 1);
      else reject(new CidecarError('SIDECAR_UNAVAILABLE', cause.details, { cause }));
    });
  });
}

function unavailable(message: string): CidecarError {
  return new CidecarError('SIDECAR_UNAVAILABLE', message);
}
