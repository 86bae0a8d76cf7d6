// SPDX-License-Identifier: Apache-2.0

/**
 * Connections have to replace their CIDs of generations up to this one, spread over the time
 * until the deadline. The pool has routable CIDs for that when it emits this.
 */
export interface Reissue {
  readonly throughGeneration: number;
  /** In the past where the sidecar was out of reach for long. */
  readonly deadline: Date;
}

/**
 * Decides when a pool asks for CIDs that it gave out to be replaced, and up to which generation.
 */
export class ReissueOrders {
  /** The oldest generation of a routable CID that was taken since the last reissue. */
  #oldestTaken = Number.POSITIVE_INFINITY;
  #orderedThrough = 0;
  /** An order for which there are no CIDs yet. */
  #pending: Reissue | undefined;
  /**
   * The newest generation from before the sidecar lost its state and began anew at a lower one;
   * connections may hold CIDs of it. 0 where that did not happen.
   */
  #beforeReset = 0;

  /** The lowest generation of CIDs that were taken and not ordered to be replaced; 0: none. */
  get oldest(): number {
    return Number.isFinite(this.#oldestTaken) ? this.#oldestTaken : 0;
  }

  took(generation: number): void {
    if (generation < this.#oldestTaken) this.#oldestTaken = generation;
  }

  /** Takes an order. Known ones, which come again with each Watch, change nothing. */
  order(order: Reissue): void {
    if (order.throughGeneration <= this.#orderedThrough) return;
    this.#orderedThrough = order.throughGeneration;
    const earlier = this.#pending?.deadline ?? order.deadline;
    const deadline = Math.min(earlier.getTime(), order.deadline.getTime());
    this.#pending = { ...order, deadline: new Date(deadline) };
  }

  /**
   * The sidecar is at this generation. While it was out of reach, an order for earlier ones may
   * have come and its deadline passed: such an order is due now. One that already waits for CIDs
   * is extended to those generations and keeps its deadline.
   */
  noticeMissed(generation: number): void {
    if (this.#oldestTaken >= generation || this.#orderedThrough >= generation - 1) return;
    const { deadline } = this.#pending ?? { deadline: new Date() };
    this.order({ throughGeneration: generation - 1, deadline });
  }

  /**
   * The sidecar lost its state and began anew at a lower generation, because its clock was
   * behind. The next order then covers what was taken before that too. An order that waits for
   * CIDs is given with those of the new generation.
   */
  startAnew(generation: number, before: number): void {
    this.#beforeReset = Math.max(this.#beforeReset, before);
    this.#oldestTaken = generation; // For orders, all that was taken counts as of this one.
    this.#orderedThrough = 0;
    if (this.#pending === undefined) return;
    this.#pending = { ...this.#pending, throughGeneration: generation - 1 };
  }

  /** The order to give now that there are CIDs of this generation, if there is one. */
  next(generation: number): Reissue | undefined {
    const order = this.#pending;
    if (order === undefined || generation <= order.throughGeneration) return undefined;
    this.#pending = undefined;
    if (this.#oldestTaken <= order.throughGeneration) {
      this.#oldestTaken = order.throughGeneration + 1;
    }
    const throughGeneration = Math.max(order.throughGeneration, this.#beforeReset);
    this.#beforeReset = 0;
    return { ...order, throughGeneration };
  }
}
