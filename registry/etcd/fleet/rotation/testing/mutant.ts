// SPDX-License-Identifier: Apache-2.0
import type { RotationGuards } from '../guards.js';

/** What is left out: of the controller by its guards, of the sidecars by name. */
export interface Mutant {
  readonly guards?: Partial<RotationGuards>;
  readonly sidecar?: 'GATE' | 'CONFIG_SEEN' | 'OLDER_GONE' | 'STOP_SAVED' | 'MARK_SEEN';
  /** An abort frees the config ID at once. */
  readonly abortAtOnce?: boolean;
}
