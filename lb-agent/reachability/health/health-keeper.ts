// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { SayOnce, SerialWork } from '../../../core/index.js';
import type { HealthRecord, HealthStore } from '../../reconcile/health-record.js';
import type { ProberClock } from './prober-clock.js';

export interface HealthKeeperOptions {
  readonly store: HealthStore;
  readonly log: Logger;
  readonly clock: ProberClock;
  readonly record: () => HealthRecord;
}

/** Milliseconds for which a verdict waits for its record on disk. */
const SAVE_MS = 200;

/**
 * Keeps the record, and tells of a change when it is on disk: an agent that is killed after its
 * tables have changed must not have forgotten who is dead. A slow disk holds no verdict up.
 */
export class HealthKeeper {
  readonly #options: HealthKeeperOptions;
  readonly #saving = new SerialWork(() => this.#write());
  readonly #troubles = new SayOnce();
  #listener: (() => void) | undefined;
  #closed = false;

  constructor(options: HealthKeeperOptions) {
    this.#options = options;
  }

  onKept(listener: () => void): void {
    this.#listener = listener;
  }

  keep(): void {
    let told = false;
    const tell = () => {
      if (told || this.#closed) return;
      told = true;
      this.#listener?.();
    };
    const cancel = this.#options.clock.after(SAVE_MS, tell);
    void this.#saving.run().then(() => {
      cancel();
      tell();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#saving.idle();
  }

  async #write(): Promise<void> {
    const { store, record, log } = this.#options;
    try {
      await store.write(record());
      this.#troubles.over();
    } catch (error) {
      if (!this.#troubles.isNews(error)) return;
      log.error({ error }, 'what the health checks say is not kept');
    }
  }
}
