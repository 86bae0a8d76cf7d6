// SPDX-License-Identifier: Apache-2.0
import type { Tables } from './model.js';

/** Places of counters that are about to get another owner. */
export interface NewOwners {
  /** Rows of VIPs. */
  readonly rows: readonly number[];
  /** Indices of reals. */
  readonly reals: readonly number[];
}

/**
 * Whose counters must begin at zero. A place that stays with its owner keeps them, also where
 * the tables are replaced around it.
 */
export function newOwners(actual: Tables, target: Tables): NewOwners {
  const rows = [...target.vips]
    .filter(([key, { row }]) => actual.vips.get(key)?.row !== row)
    .map(([, { row }]) => row);
  const reals = [...target.reals]
    .filter(([index, { incarnation }]) => actual.reals.get(index)?.incarnation !== incarnation)
    .map(([index]) => index);
  return { rows, reals };
}
