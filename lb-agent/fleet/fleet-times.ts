// SPDX-License-Identifier: Apache-2.0
import type { RotationTimes } from './rotations.js';

/** Times of a fleet that tests make shorter. */
export interface FleetTimes {
  readonly rotation?: RotationTimes;
  /** Milliseconds for which others may give no sign of life. Default 60 000. */
  readonly graceMs?: number;
  /** Seconds between two counts of packets, and two reports of them. Default 5. */
  readonly countEvery?: number;
}
