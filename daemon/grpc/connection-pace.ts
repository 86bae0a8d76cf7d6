// SPDX-License-Identifier: Apache-2.0

export interface PaceLimits {
  /** Connections that are let in without a wait after a time of rest. */
  readonly atOnce: number;
  /** How many more are let in each second. */
  readonly perSecond: number;
  /** Connections that may wait; further ones are closed. */
  readonly waiting: number;
}

/** What waits. */
export interface Waiting {
  readonly destroyed: boolean;
  destroy(): void;
}

/**
 * Lets connections in at a bounded pace, in the order in which they came. A connection costs this
 * process far more than its client, who may have it closed for what it sends (nghttp2 closes one
 * that resets many streams, for instance) and come again at once: the limits of a connection bound
 * nothing then, and those that are served would wait for all the others to begin and end.
 */
export class ConnectionPace {
  readonly #limits: PaceLimits;
  readonly #now: () => number;
  readonly #queue: { readonly socket: Waiting; readonly enter: () => void }[] = [];
  #left: number;
  #countedAt: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param now milliseconds of a clock that never goes back */
  constructor(limits: PaceLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#left = limits.atOnce;
    this.#countedAt = now();
  }

  /** Calls `enter` at once or later, unless the connection is closed by then. */
  arrive(socket: Waiting, enter: () => void): void {
    if (this.#queue.length >= this.#limits.waiting) {
      socket.destroy();
      return;
    }
    this.#queue.push({ socket, enter });
    this.#letIn();
  }

  /**
   * Charges the newcomers for a connection that had to be closed, as if so many had come. They wait
   * for it up to the time in which `atOnce` come, however often it happens.
   */
  charge(connections: number): void {
    this.#left = Math.max(-this.#limits.atOnce, this.#left - connections);
  }

  /** Closes those that wait. */
  close(): void {
    clearTimeout(this.#timer);
    for (const { socket } of this.#queue.splice(0)) socket.destroy();
  }

  #letIn(): void {
    clearTimeout(this.#timer);
    const { atOnce, perSecond } = this.#limits;
    const now = this.#now();
    this.#left = Math.min(atOnce, this.#left + ((now - this.#countedAt) / 1000) * perSecond);
    this.#countedAt = now;
    while (this.#queue.length > 0 && this.#left >= 1) {
      const next = this.#queue.shift();
      if (next === undefined || next.socket.destroyed) continue;
      this.#left -= 1;
      next.enter();
    }
    if (this.#queue.length === 0) return;
    this.#timer = setTimeout(
      () => this.#letIn(),
      (1000 * (1 - this.#left)) / perSecond + 1,
    ).unref();
  }
}
