// SPDX-License-Identifier: Apache-2.0
import type { Log } from '../../daemon/log.js';

/** Says it when the reason why nothing may be issued is another one. */
export class FenceWatch {
  /** Called when nothing may be issued any more, and when it may again. */
  onChange: () => void = () => {};
  readonly #reason: () => string | undefined;
  readonly #log: Log;
  #fenced: string | undefined;

  constructor(reason: () => string | undefined, log: Log) {
    this.#reason = reason;
    this.#log = log;
    this.#fenced = reason();
  }

  look(): void {
    const fenced = this.#reason();
    if (fenced === this.#fenced) return;
    if (fenced !== undefined) this.#log.error({ reason: fenced }, 'nothing is issued any more');
    else this.#log.info('this server may issue again');
    this.#fenced = fenced;
    this.onChange();
  }
}
