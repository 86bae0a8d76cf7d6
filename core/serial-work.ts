// SPDX-License-Identifier: Apache-2.0

interface Waiting<Result> {
  readonly promise: Promise<Result>;
  readonly resolve: (result: Promise<Result>) => void;
}

/**
 * One at work, one waiting. The work under way may have looked at the world before a caller
 * changed it, so that caller gets the work after it, which all callers until then share.
 */
export class SerialWork<Result = void> {
  readonly #work: () => Promise<Result>;
  #running: Promise<Result> | undefined;
  #waiting: Waiting<Result> | undefined;

  constructor(work: () => Promise<Result>) {
    this.#work = work;
  }

  /**
   * Settles as work does that began no earlier than this call. Where nothing is under way the
   * work begins within the call.
   */
  async run(): Promise<Result> {
    if (this.#running === undefined) return this.#start();
    this.#waiting ??= later();
    return this.#waiting.promise;
  }

  /** Resolves when nothing is under way and nothing waits, whether the work succeeded or not. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => {});
  }

  #start(): Promise<Result> {
    // Set before the work begins: a call out of the work waits for the next piece like any other.
    const begun = later<Result>();
    const running = begun.promise;
    this.#running = running;
    // Async, so that also what the work throws at once is a rejection.
    begun.resolve((async () => this.#work())());
    // The first that hears of the end, so nobody can find this idle while a caller waits.
    const goOn = () => this.#goOn();
    running.then(goOn, goOn);
    return running;
  }

  #goOn(): void {
    const waiting = this.#waiting;
    this.#running = undefined;
    this.#waiting = undefined;
    waiting?.resolve(this.#start());
  }
}

function later<Result>(): Waiting<Result> {
  let resolve: Waiting<Result>['resolve'] = () => {};
  const promise = new Promise<Result>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
