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
 * Decides when a pool asks for CIDs that it gave out to be replaced, and up to which generation, in
 * the server's numbers.
 */
export class ReissueOrders {
  /** The oldest generation of a routable CID that was taken since the last reissue. */
  #oldestTaken = Number.POSITIVE_INFINITY;
  #orderedThrough = 0;
  /** An order for which there are no CIDs yet. */
  #pending: Reissue | undefined;

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
   * The sidecar lost its state and began anew at `first`; what was taken until then is of `before`
   * at most. Each order that comes from here on covers that, and so does one that waits.
   */
  startAnew(before: number, first: number): void {
    // The sidecar sends no order that covers less.
    if (Number.isFinite(this.#oldestTaken)) this.#oldestTaken = first;
    this.#orderedThrough = Math.min(this.#orderedThrough, before);
    if (this.#pending === undefined) return;
    this.#pending = { ...this.#pending, throughGeneration: before };
  }

  /** The order to give now that there are CIDs of this generation, if there is one. */
  next(generation: number): Reissue | undefined {
    const order = this.#pending;
    if (order === undefined || generation <= order.throughGeneration) return undefined;
    this.#pending = undefined;
    if (this.#oldestTaken <= order.throughGeneration) {
      this.#oldestTaken = order.throughGeneration + 1;
    }
    return order;
  }
}
