// SPDX-License-Identifier: Apache-2.0
import type { DesiredState, Pool } from '../../registry/index.js';
import type { CapacityNeed } from './driver.js';
import type { Tables } from './tables.js';

/** A flow remembers its real in 16 bits. */
const MOST_REALS = 65_535;

/**
 * What new tables should have places for: indices that are in use or were, and twice what the
 * desired state needs. The half that is free serves growth, replacements (which need old and
 * new for a moment) and indices in cooldown. When it is used up, larger tables are installed.
 *
 * @param used indices of reals that were ever used: the next use of each must know its last
 *   incarnation, so each keeps its place
 */
export function needFor(
  desired: DesiredState,
  actual: Tables,
  used: Iterable<number>,
): CapacityNeed {
  const pools = desired.pools.filter(({ vips }) => vips.length > 0);
  const sum = (count: (pool: Pool) => number) => pools.reduce((all, pool) => all + count(pool), 0);
  const lastRow = highest([...actual.vips.values()].map(({ row }) => row));
  const lastReal = highest([...actual.reals.keys(), ...used]);
  return {
    desired,
    indices: {
      vips: 1 + lastRow + 2 * sum(({ vips }) => vips.length),
      pools: highest([...actual.pools.keys()].map((index) => index + 1)) + 2 * pools.length,
      reals: 1 + Math.min(MOST_REALS, lastReal + 2 * sum(({ servers }) => servers.length)),
    },
  };
}

/** 0 without any. Not Math.max(...), whose arguments have an end. */
function highest(numbers: readonly number[]): number {
  return numbers.reduce((most, number) => Math.max(most, number), 0);
}
