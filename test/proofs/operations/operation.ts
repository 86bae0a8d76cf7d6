// SPDX-License-Identifier: Apache-2.0
import type { Candidates } from './candidates.js';

/** What happens to a fleet. Each is done to one of the candidates that there are at that time. */
export interface Operation {
  /** How often it is drawn, in relation to others. */
  readonly weight: number;
  /** Names of what it can be done to now; none where it cannot be done. */
  readonly to: (now: Candidates) => readonly string[];
  /** Does it; returns what came of it where that is worth a word. */
  readonly run: (now: Candidates, name: string) => Promise<string | undefined>;
}

/** An operation as it was drawn, for a replay. */
export interface Drawn {
  readonly kind: string;
  /** From 0 up to but without 1: which of the candidates. */
  readonly pick: number;
}
