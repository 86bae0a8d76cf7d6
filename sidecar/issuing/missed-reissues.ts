// SPDX-License-Identifier: Apache-2.0
import type { ReissueOrder } from './issuer-events.js';

/**
 * The orders that a client which connects again may have missed, the oldest first. Where the
 * deadline of one has passed meanwhile, all that is left of it is an order that is due now.
 *
 * @param oldest the lowest generation of CIDs that live connections may hold and for which the
 *   client was given no order; 0 where there are none
 * @param now milliseconds since 1970
 */
export function missedReissues(
  issuer: { readonly generation: number; readonly reissues: readonly ReissueOrder[] },
  oldest: number,
  now: () => number = Date.now,
): readonly ReissueOrder[] {
  const { generation, reissues } = issuer;
  if (oldest === 0 || oldest >= generation) return [];
  const inForce = reissues.filter(({ throughGeneration }) => throughGeneration >= oldest);
  const covered = inForce.at(-1)?.throughGeneration ?? 0;
  if (covered >= generation - 1) return inForce;
  return [...inForce, { throughGeneration: generation - 1, deadline: new Date(now()) }];
}
