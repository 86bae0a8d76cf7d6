// SPDX-License-Identifier: Apache-2.0
import type { Figure } from './report.js';

export interface Suite {
  readonly title: string;
  run(quick: boolean): Promise<readonly Figure[]>;
}

/** Rows that are not about packets, by the name that --only takes. */
export const OTHER_SUITES: Readonly<Record<string, Suite>> = {};
