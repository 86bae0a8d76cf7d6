// SPDX-License-Identifier: Apache-2.0
import { SerialWork } from '../../core/index.js';
import type { IpMonitor } from './next-hops/ip.js';

export interface LooksOptions {
  /** Watches for what should be looked at soon. */
  readonly monitor: IpMonitor;
  /** Milliseconds to wait for more changes after one that was reported. */
  readonly settleMs: () => number;
  /**
   * Looks at the host. It is called by one at a time, and not after {@link Looks.close}.
   *
   * @param due whether the look was scheduled, because the host may be different by now; false
   * where it was asked for because there is something new to look at
   */
  readonly look: (due: boolean) => Promise<void>;
  /** Called after each look that was scheduled. */
  readonly onLooked?: () => void;
}

/**
 * When something of this host is looked at: when it was asked for, when it was scheduled, and
 * soon after the kernel reports a change.
 */
export class Looks {
  readonly #options: LooksOptions;
  readonly #looking: SerialWork;
  #monitor: { close(): void } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;
  #isDue = false;
  #closed = false;

  constructor(options: LooksOptions) {
    this.#options = options;
    this.#looking = new SerialWork(async () => {
      const due = this.#isDue;
      this.#isDue = false;
      if (!this.#closed) await options.look(due);
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Settles as a look does that began no earlier than this call. */
  run(): Promise<void> {
    return this.#looking.run();
  }

  /**
   * Starts a monitor if none is running. A look calls this before it reads, so that no change falls
   * between; where a monitor ended, the next look starts another.
   *
   * @returns whether it started one
   */
  watch(): boolean {
    if (this.#monitor !== undefined || this.#closed) return false;
    this.#monitor = this.#options.monitor(
      () => this.schedule(this.#options.settleMs()),
      () => {
        this.#monitor = undefined;
      },
    );
    return true;
  }

  /** The earlier of what was scheduled and this: reports without end must not put it off. */
  schedule(milliseconds: number): void {
    const due = performance.now() + milliseconds;
    if (this.#closed || due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#due = Number.POSITIVE_INFINITY;
      this.#isDue = true;
      void this.#looking.run().then(() => this.#options.onLooked?.());
    }, milliseconds);
  }

  /** Resolves when no look is under way any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#monitor?.close();
    await this.#looking.idle();
  }
}
