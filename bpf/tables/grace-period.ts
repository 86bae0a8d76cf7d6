// SPDX-License-Identifier: Apache-2.0

/** Time, as the tables need it; passed in, so that tests decide what time it is. */
export interface Clock {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Blocks this thread. */
  wait(milliseconds: number): void;
}

/**
 * Milliseconds after which no packet program still holds what it read from a table before.
 * A packet takes microseconds and is not preempted; what this really covers is a virtual
 * CPU that its host has taken off for a while.
 */
export const GRACE_MS = 100;

const sleepingPlace = new Int32Array(new SharedArrayBuffer(4));

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  wait: (milliseconds) => {
    if (milliseconds > 0) Atomics.wait(sleepingPlace, 0, 0, milliseconds);
  },
};
