// SPDX-License-Identifier: Apache-2.0
import type { Keys } from '../../layout/index.js';
import type { PoolContents } from './contents.js';
import type { RotationGuards } from './guards.js';
import type { NewConfigOptions } from './new-config.js';
import type { RotationView } from './rotation-picture.js';

/** Seconds for which connections can last where the pool does not say it. */
export const DEFAULT_CONNECTION_AGE = 86_400;

export interface DecideOptions extends NewConfigOptions {
  readonly keys: Keys;
  /** Seconds without a packet that are asked for before a config is quarantined. */
  readonly quietSeconds: number;
  /** Seconds of the clock of a quarantine after which they are saved again. */
  readonly saveEvery: number;
  /**
   * Whether what minting would lose is looked at, for which the keys of the pool have to be
   * opened. Default true.
   */
  readonly judges?: boolean;
  /** For tests. */
  readonly guards?: RotationGuards;
  /** IDs that are given in one transaction, at most. Default 40. */
  readonly idsAtOnce?: number;
}

/** What a decision is made on. */
export interface Situation extends RotationView {
  /** Revision at which the lease of the pool's controller was taken; it is the decider's own. */
  readonly controller: number;
  /** Everything of the pool; undefined where it was not read, or too long ago. */
  readonly contents: PoolContents | undefined;
  /**
   * Seconds on the decider's own clock, and those saved: see PassedTime.
   *
   * @param of names what is measured
   */
  readonly passed: (of: string, saved: number) => number;
}
