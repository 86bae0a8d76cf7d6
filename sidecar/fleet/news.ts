// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';

/** Wakes those who wait for something to be different. */
export class News {
  #waiting: (() => void)[] = [];

  tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when something may be different, and after so many milliseconds at the latest. */
  async next(withinMs: number): Promise<void> {
    await Promise.race([
      new Promise<void>((resolve) => this.#waiting.push(resolve)),
      pause(withinMs, undefined, { ref: false }),
    ]);
  }
}
