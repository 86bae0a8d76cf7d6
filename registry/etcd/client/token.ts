// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';

/**
 * The token of a login by password. A login costs etcd 70 ms of a core (bcrypt), and a change of
 * users can make the tokens of all hosts void at one moment. So there is one login at a time for
 * all callers, and all but the first wait for a random time.
 */
export class Token {
  readonly #login: () => Promise<string>;
  readonly #pauseMs: () => number;
  #token: string | undefined;
  #pending: Promise<string> | undefined;
  #loggedIn = false;

  /** @param pauseMs milliseconds to wait before a login that is not the first */
  constructor(login: () => Promise<string>, pauseMs: () => number) {
    this.#login = login;
    this.#pauseMs = pauseMs;
  }

  async get(): Promise<string> {
    if (this.#token !== undefined) return this.#token;
    this.#pending ??= this.#renew().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  /** Says that etcd did not take `token`. One that was taken since stays. */
  discard(token: string): void {
    if (this.#token === token) this.#token = undefined;
  }

  async #renew(): Promise<string> {
    if (this.#loggedIn) await pause(this.#pauseMs());
    this.#loggedIn = true;
    this.#token = await this.#login();
    return this.#token;
  }
}
