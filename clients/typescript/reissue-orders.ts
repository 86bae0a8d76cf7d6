// SPDX-License-Identifier: Apache-2.0

/**
 * Connections replace CIDs of generations up to this one, spread over the time there is.
 * It comes when the pool has routable CIDs to replace them by.
 */
export interface Reissue {
  readonly throughGeneration: number;
  /** Past, where the sidecar could not be reached for long. */
  readonly deadline: Date;
}

/** What a pool has to say about replacing CIDs that it gave. */
export class ReissueOrders {
  /** The oldest generation of which a routable CID was taken since the last reissue. */
  #oldestTaken = Number.POSITIVE_INFINITY;
  #orderedThrough = 0;
  /** An order for which there are no CIDs yet. */
  #pending: Reissue | undefined;
  /**
   * Where the sidecar lost its state and counts anew from lower: the newest generation of
   * before, of which CIDs may be in connections. 0 otherwise.
   */
  #beforeReset = 0;

  took(generation: number): void {
    if (generation < this.#oldestTaken) this.#oldestTaken = generation;
  }

  /** Known orders, which come again with each Watch, change nothing. */
  order(order: Reissue): void {
    if (order.throughGeneration <= this.#orderedThrough) return;
    this.#orderedThrough = order.throughGeneration;
    const earlier = this.#pending?.deadline ?? order.deadline;
    const deadline = Math.min(earlier.getTime(), order.deadline.getTime());
    this.#pending = { ...order, deadline: new Date(deadline) };
  }

  /**
   * The sidecar is at this generation. An order of before may have been given and run out
   * while it was out of reach; one that waits for CIDs covers that, and keeps its time.
   */
  noticeMissed(generation: number): void {
    if (this.#oldestTaken >= generation || this.#orderedThrough >= generation - 1) return;
    const { deadline } = this.#pending ?? { deadline: new Date() };
    this.order({ throughGeneration: generation - 1, deadline });
  }

  /**
   * The sidecar's state was lost, and its clock was behind when it began anew. The next order
   * then covers what was taken before as well; one that waits need not wait longer.
   */
  startAnew(generation: number, before: number): void {
    this.#beforeReset = Math.max(this.#beforeReset, before);
    this.#oldestTaken = generation; // What was taken is no older than that, as orders go.
    this.#orderedThrough = 0;
    if (this.#pending === undefined) return;
    this.#pending = { ...this.#pending, throughGeneration: generation - 1 };
  }

  /** What to order now that there are CIDs of this generation to replace others by. */
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
