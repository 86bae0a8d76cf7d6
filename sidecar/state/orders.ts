// SPDX-License-Identifier: Apache-2.0
import type { OrderRecord, StateContent } from './state-file.js';

/** The most orders that are kept. A later order covers an earlier one and leaves more time. */
const MAX_ORDERS = 8;

/** The orders to replace the CIDs of live connections, which outlive a restart. */
export class Orders {
  readonly #content: Pick<StateContent, 'reissues'>;

  constructor(content: Pick<StateContent, 'reissues'>) {
    this.#content = content;
  }

  /** The oldest comes first; the deadlines of some may have passed. */
  get all(): readonly OrderRecord[] {
    return this.#content.reissues;
  }

  /** Keeps an order, and drops those whose deadline is over at `now` (ms since 1970). */
  keep(order: OrderRecord, now: number): void {
    const inForce = this.#content.reissues.filter(({ deadline }) => deadline > now);
    this.#content.reissues = [...inForce, order].slice(-MAX_ORDERS);
  }
}
