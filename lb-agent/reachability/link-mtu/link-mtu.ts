// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { SayOnce, SerialWork } from '../../../core/index.js';
import { type Ip, type IpMonitor, readMtu } from '../next-hops/ip.js';

export interface LinkMtuOptions {
  /** The one that packets come in by. */
  readonly interface: string;
  /** Octets of the largest IP packet, as it was when the agent started. */
  readonly mtu: number;
  readonly ip: Ip;
  readonly monitor: IpMonitor;
  readonly log: Logger;
}

/** Milliseconds to wait for more changes. */
const SETTLE_MS = 100;
/** Milliseconds between looks that no change has asked for. */
const REFRESH_MS = 15_000;

/**
 * The MTU of an interface, followed as it changes. While there is no such interface, because it
 * is being made anew, the last one counts.
 */
export class LinkMtu {
  readonly #options: LinkMtuOptions;
  readonly #onChange: (mtu: number) => void;
  readonly #looking = new SerialWork(() => this.#look());
  readonly #said = new SayOnce();
  #mtu: number;
  #monitor: { close(): void } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;
  #closed = false;

  /** @param onChange is called with the octets of another MTU */
  constructor(options: LinkMtuOptions, onChange: (mtu: number) => void) {
    this.#options = options;
    this.#onChange = onChange;
    this.#mtu = options.mtu;
    // What has changed since `mtu` was read is seen by this.
    this.#schedule(0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#monitor?.close();
    await this.#looking.idle();
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    const { interface: name, ip, log } = this.#options;
    // Before the MTU is read, so that no change falls between.
    this.#watch();
    try {
      const mtu = await readMtu(name, ip);
      this.#said.over();
      if (mtu !== this.#mtu && !this.#closed) {
        log.info({ interface: name, mtu, before: this.#mtu }, 'the interface has another MTU now');
        this.#mtu = mtu;
        this.#onChange(mtu);
      }
    } catch (error) {
      if (this.#said.isNews(error)) {
        log.warn({ interface: name, error }, 'cannot read the MTU of the interface');
      }
    }
    this.#schedule(REFRESH_MS);
  }

  #watch(): void {
    if (this.#monitor !== undefined || this.#closed) return;
    this.#monitor = this.#options.monitor(
      () => this.#schedule(SETTLE_MS),
      // The next look starts another.
      () => {
        this.#monitor = undefined;
      },
    );
  }

  /** The earlier of what was scheduled and this. */
  #schedule(milliseconds: number): void {
    const due = performance.now() + milliseconds;
    if (this.#closed || due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#due = Number.POSITIVE_INFINITY;
      void this.#looking.run();
    }, milliseconds);
  }
}
