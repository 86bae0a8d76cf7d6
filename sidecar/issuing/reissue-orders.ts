// SPDX-License-Identifier: Apache-2.0
import type { Orders } from '../state/orders.js';
import type { ReissueOrder } from './issuer-events.js';

/** The orders to replace the CIDs of live connections, with the time that is left for each. */
export class ReissueOrders {
  readonly #orders: Orders;
  readonly #within: number;
  readonly #now: () => number;

  /**
   * @param within milliseconds that connections have
   * @param now milliseconds since 1970
   */
  constructor(orders: Orders, within: number, now: () => number) {
    this.#orders = orders;
    this.#within = within;
    this.#now = now;
  }

  /** Those whose deadline is to come, the oldest first. */
  get inForce(): readonly ReissueOrder[] {
    return this.#orders.all
      .filter(({ deadline }) => deadline > this.#now())
      .map(({ throughGeneration, deadline }) => ({
        throughGeneration,
        deadline: new Date(deadline),
      }));
  }

  /** Keeps an order to replace the CIDs of generations up to this one. */
  order(throughGeneration: number): ReissueOrder {
    const now = this.#now();
    const deadline = now + this.#within;
    this.#orders.keep({ throughGeneration, deadline }, now);
    return { throughGeneration, deadline: new Date(deadline) };
  }
}
