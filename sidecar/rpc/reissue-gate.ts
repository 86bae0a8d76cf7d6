// SPDX-License-Identifier: Apache-2.0
import type { ReissueOrder } from '../issuing/issuer-events.js';

/** The most orders that wait for one client; above that, the two oldest become one. */
const MAX_ORDERS = 8;

/**
 * Holds orders to replace CIDs back until their client has the CIDs for it. A server that obeys an
 * order at once would otherwise replace void CIDs by CIDs that are void too, or by 0b111 CIDs, or
 * find its pool dry; at the end of the quarantine the connection is lost.
 *
 * An order leaves when the client has acknowledged the last change that made CIDs void, and when
 * since that change as many routable CIDs were sent as the client has connections to serve, or as
 * it wanted.
 */
export class ReissueGate {
  readonly #orders: ReissueOrder[] = [];
  #orderedThrough = 0;
  /** Routable CIDs sent since the last change that made CIDs void. */
  #sent = 0;
  /** What `sent` comes to when the credit of the acknowledgement is used; undefined before that. */
  #wanted: number | undefined;

  /** Orders that wait. */
  get held(): number {
    return this.#orders.length;
  }

  /** Takes an order, unless one that covers it was taken before. */
  order(order: ReissueOrder): void {
    if (order.throughGeneration <= this.#orderedThrough) return;
    this.#orderedThrough = order.throughGeneration;
    this.#orders.push(order);
    const [first, second] = this.#orders;
    if (this.#orders.length <= MAX_ORDERS || first === undefined || second === undefined) return;
    this.#orders.splice(0, 2, { ...second, deadline: first.deadline });
  }

  /** CIDs that the client did not use yet became void. */
  madeVoid(): void {
    this.#sent = 0;
    this.#wanted = undefined;
  }

  /** Routable CIDs were sent. */
  gave(count: number): void {
    this.#sent += count;
  }

  /**
   * The client dropped what became void.
   *
   * @param credit CIDs that it asked for and was not sent
   */
  acknowledged(credit: number): void {
    this.#wanted ??= this.#sent + credit;
  }

  /**
   * The orders that may leave now, the oldest first; each is given once.
   *
   * @param connections how many connections hold CIDs of a generation or of earlier ones;
   *   undefined where the client has not said so since it acknowledged
   */
  release(connections: (throughGeneration: number) => number | undefined): ReissueOrder[] {
    const wanted = this.#wanted;
    if (wanted === undefined) return [];
    const free = this.#orders.findIndex(
      ({ throughGeneration }) =>
        this.#sent < Math.min(wanted, connections(throughGeneration) ?? wanted),
    );
    return this.#orders.splice(0, free < 0 ? this.#orders.length : free);
  }
}
