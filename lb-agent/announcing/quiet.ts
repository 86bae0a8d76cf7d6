// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';

export interface QuietOptions {
  /** How many packets for VIPs there have been; any other number than before means packets. */
  readonly packets: () => number;
  /** Milliseconds without a packet after which packets have ended. */
  readonly quietMs: number;
  /** Milliseconds after which waiting ends without that. */
  readonly limitMs: number;
  /** Ends the waiting at once. */
  readonly signal?: AbortSignal;
  /** Milliseconds of a clock that only goes forward; tests pass their own. */
  readonly now?: () => number;
  readonly wait?: (ms: number) => Promise<unknown>;
}

/** A clock of the kernel that forwards for each CPU; looks need not be closer. */
const LOOK_EVERY_MS = 50;

/** Milliseconds: routers took at most 43 to stop sending; real ones may take longer. */
export const QUIET_MS = 1_000;

/** Resolves with whether packets have ended; false where the limit was over, or it was ended. */
export async function untilQuiet(options: QuietOptions): Promise<boolean> {
  const { packets, quietMs, limitMs, signal, now = () => performance.now() } = options;
  const { wait = (ms) => sleep(ms) } = options;
  const begun = now();
  let seen = packets();
  let last = begun;
  for (;;) {
    await wait(LOOK_EVERY_MS);
    const time = now();
    const count = packets();
    if (count !== seen) [seen, last] = [count, time];
    else if (time - last >= quietMs) return true;
    if (time - begun >= limitMs || signal?.aborted === true) return false;
  }
}
