// SPDX-License-Identifier: Apache-2.0

/** The time that the tables go by. It is passed in, so that tests decide what time it is. */
export interface Clock {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Blocks this thread. */
  wait(milliseconds: number): void;
}

/**
 * The grace period, in milliseconds: after it, no packet that is being processed still uses what
 * it read from a table at the beginning of the period. A packet takes microseconds and is not
 * preempted. The period is so long because the host of a virtual machine can stop one of its
 * CPUs for a while.
 */
export const GRACE_MS = 100;

const sleepingPlace = new Int32Array(new SharedArrayBuffer(4));

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  wait: (milliseconds) => {
    if (milliseconds > 0) Atomics.wait(sleepingPlace, 0, 0, milliseconds);
  },
};
