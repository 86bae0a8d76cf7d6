// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';

/** A clock of this host that goes on while it sleeps, and the boot that it counts from. */
export interface BootClock {
  /** Milliseconds since the boot, CLOCK_BOOTTIME, in steps of 10. */
  now(): number;
  /** Another one after each boot. */
  readonly bootId: string;
}

/** As Linux tells it. */
export function linuxBootClock(): BootClock {
  return {
    now: () => Math.round(Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000),
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
  };
}
