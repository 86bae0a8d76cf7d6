// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '../grace-period.js';

/** A clock that moves only when the test says so, or when something waits. */
export class ManualClock implements Clock {
  #now = 1000;
  /** Milliseconds waited in all. */
  waited = 0;

  now(): number {
    return this.#now;
  }

  wait(milliseconds: number): void {
    this.#now += Math.max(0, milliseconds);
    this.waited += Math.max(0, milliseconds);
  }

  pass(milliseconds: number): void {
    this.#now += milliseconds;
  }
}
