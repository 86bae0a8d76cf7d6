// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto';
import type { ProberClock } from './prober-clock.js';

/** Numbers that are made at one time. */
const NONCES = 1024;

/** The time of this process, and chance that nobody can guess where it must not be. */
export function realClock(): ProberClock {
  const nonces = new Uint32Array(NONCES);
  let used = NONCES;
  return {
    now: () => performance.now(),
    after: (milliseconds, call) => {
      const timer = setTimeout(call, milliseconds);
      return () => clearTimeout(timer);
    },
    random: Math.random,
    nonce: () => {
      if (used === NONCES) {
        randomFillSync(nonces);
        used = 0;
      }
      return nonces[used++] ?? 0;
    },
  };
}
