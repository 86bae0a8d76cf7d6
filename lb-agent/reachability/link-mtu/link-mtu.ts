// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { SayOnce } from '../../../core/index.js';
import { Looks } from '../looks.js';
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
  readonly #looks: Looks;
  readonly #said = new SayOnce();
  #mtu: number;

  /** @param onChange is called with the octets of another MTU */
  constructor(options: LinkMtuOptions, onChange: (mtu: number) => void) {
    this.#options = options;
    this.#onChange = onChange;
    this.#mtu = options.mtu;
    this.#looks = new Looks({
      monitor: options.monitor,
      settleMs: () => SETTLE_MS,
      look: () => this.#look(),
    });
    // What has changed since `mtu` was read is seen by this.
    this.#looks.schedule(0);
  }

  async close(): Promise<void> {
    await this.#looks.close();
  }

  async #look(): Promise<void> {
    const { interface: name, ip, log } = this.#options;
    this.#looks.watch();
    try {
      const mtu = await readMtu(name, ip);
      this.#said.over();
      if (mtu !== this.#mtu && !this.#looks.closed) {
        log.info({ interface: name, mtu, before: this.#mtu }, 'the interface has another MTU now');
        this.#mtu = mtu;
        this.#onChange(mtu);
      }
    } catch (error) {
      if (this.#said.isNews(error)) {
        log.warn({ interface: name, error }, 'cannot read the MTU of the interface');
      }
    }
    this.#looks.schedule(REFRESH_MS);
  }
}
