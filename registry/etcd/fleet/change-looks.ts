// SPDX-License-Identifier: Apache-2.0
import type { Change } from '../client/index.js';

/** Milliseconds for which further acknowledgements are waited for. */
const TOGETHER_MS = 20;

/**
 * Has the work of a controller look at changes of the fleet: at once, but together at those that
 * are acknowledgements alone. Every agent acknowledges every state, so otherwise each state would
 * cost as many looks as there are agents, and nothing that waits for them is in a hurry.
 */
export class ChangeLooks {
  readonly #acks: string;
  readonly #look: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param acks prefix of the acknowledgements */
  constructor(acks: string, look: () => void) {
    this.#acks = acks;
    this.#look = look;
  }

  /** @param changes undefined where everything may be different */
  see(changes: readonly Change[] | undefined): void {
    if (changes?.every((change) => this.#isAcknowledgement(change)) !== true) {
      this.close();
      this.#look();
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, TOGETHER_MS).unref();
  }

  /** Forgets what it was to look at. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** One that was taken away is another thing: an agent was put away, or counted out. */
  #isAcknowledgement(change: Change): boolean {
    return change.kind === 'put' && change.entry.key.startsWith(this.#acks);
  }
}
