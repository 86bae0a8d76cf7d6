// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Waits for a condition. How long it may take is no assertion, only where a test that hangs ends.
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  giveUpMs = 60_000,
): Promise<void> {
  const giveUpAt = performance.now() + giveUpMs;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`in vain it was waited until ${what}`);
    await pause(20);
  }
}
