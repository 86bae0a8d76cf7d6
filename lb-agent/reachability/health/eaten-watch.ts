// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { SayOnce } from '../../../core/index.js';
import type { Ip } from '../next-hops/ip.js';
import { eatenAnswers, type ReadSetting, readSetting } from './eaten-answers.js';
import type { ProberClock } from './prober-clock.js';

export interface EatenWatchOptions {
  /** By which answers come in. */
  readonly device: { readonly name: string };
  readonly ip: Ip;
  readonly log: Logger;
  readonly clock: ProberClock;
  readonly readSetting?: ReadSetting;
  /** Those that are checked; without one nothing is looked at. */
  readonly vips: () => readonly { readonly address: string }[];
  /** Called after each look, with why answers are dropped, by VIP. */
  readonly onLooked: (found: ReadonlyMap<string, string>) => void;
}

/** Milliseconds between two looks, and the least where one is asked for. */
const LOOK_MS = 15_000;
const LEAST_MS = 1_500;

/** Follows what of this host drops the answers of servers. */
export class EatenWatch {
  readonly #options: EatenWatchOptions;
  readonly #troubles = new SayOnce();
  #found: ReadonlyMap<string, string> = new Map();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #due = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(options: EatenWatchOptions) {
    this.#options = options;
  }

  /** Why answers are dropped, by VIP. */
  get found(): ReadonlyMap<string, string> {
    return this.#found;
  }

  /** Looks as soon as the last look is some time ago. */
  look(): void {
    this.#schedule(this.#lookedAt + LEAST_MS);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #schedule(due: number): void {
    const { clock } = this.#options;
    if (this.#closed || due >= this.#due) return;
    this.#cancel?.();
    this.#due = due;
    this.#cancel = clock.after(Math.max(0, due - clock.now()), () => {
      this.#due = Number.POSITIVE_INFINITY;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    const { ip, device, log, clock, vips, onLooked } = this.#options;
    const addresses = vips().map(({ address }) => address);
    if (addresses.length === 0) return;
    this.#lookedAt = clock.now();
    try {
      const read = this.#options.readSetting ?? readSetting;
      this.#found = await eatenAnswers(addresses, device.name, ip, read);
      this.#troubles.over();
    } catch (error) {
      if (this.#troubles.isNews(error)) log.warn({ error }, 'cannot read the routes to VIPs');
    }
    if (this.#closed) return;
    onLooked(this.#found);
    this.#schedule(clock.now() + LOOK_MS);
  }
}
