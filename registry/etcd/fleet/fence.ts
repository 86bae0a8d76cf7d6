// SPDX-License-Identifier: Apache-2.0

// FENCE: where a pool has a hold, a sidecar stops issuing under IDs that were handed out before
// the hold is over and somebody takes them back. It goes by the time at which it *sent* the last
// keepalive that was answered, on a clock that goes on while the host sleeps.

/** Seconds, and the part of the hold, that clocks of two hosts may differ by. */
const MARGIN_SECONDS = 1;
const MARGIN_PART = 0.02;

/**
 * Milliseconds after the last keepalive for which a sidecar may issue; undefined for ever. Servers
 * use CIDs of their stock for `cidLifetimeMs` more. 0 or less where the hold is too short for that.
 *
 * @param hold seconds; undefined where the pool has none
 */
export function issuesForMs(hold: number | undefined, cidLifetimeMs: number): number | undefined {
  if (hold === undefined) return undefined;
  return 1000 * (hold * (1 - MARGIN_PART) - MARGIN_SECONDS) - cidLifetimeMs;
}

/**
 * The hold that a sidecar goes by: the pool's, or that which its request says, where that is
 * shorter. A controller goes by the longer of the two, so that neither needs to know when the
 * other hears of a change.
 */
export function holdToObey(pool: number | undefined, request: number | undefined) {
  if (pool === undefined || request === undefined) return request ?? pool;
  return Math.min(pool, request);
}
