// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';

/** Time and chance; tests have their own. */
export interface ProberClock {
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
  /** Calls back after so many milliseconds; what it returns takes that back. */
  readonly after: (milliseconds: number, call: () => void) => () => void;
  /** From 0 to 1, without 1. */
  readonly random: () => number;
  /** 32 bits that nobody can guess. */
  readonly nonce: () => number;
}

/** Such as `EHOSTUNREACH`. */
export function errnoName(errno: number): string {
  const known = Object.entries(constants.errno).find(([, value]) => value === errno);
  return known?.[0] ?? `errno ${errno}`;
}
