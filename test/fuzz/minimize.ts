// SPDX-License-Identifier: Apache-2.0

const SHORTEST = 14;
/**
 * A try takes about a millisecond: it sends a packet through kernel and model and compares
 * their counters.
 */
const MOST_TRIES = 4000;

/**
 * Returns a shorter frame with more zeros for which `fails` still holds. It cuts the tail and
 * then sets octets to zero, as long as either makes progress.
 */
export function minimize(frame: Uint8Array, fails: (frame: Uint8Array) => boolean): Uint8Array {
  let best = Uint8Array.from(frame);
  let tries = 0;
  const attempt = (candidate: Uint8Array): boolean => {
    if (++tries > MOST_TRIES || !fails(candidate)) return false;
    best = Uint8Array.from(candidate);
    return true;
  };
  for (let cut = best.length >> 1; cut >= 1; cut >>= 1) {
    while (best.length - cut >= SHORTEST && attempt(best.subarray(0, best.length - cut)));
  }
  for (let at = best.length - 1; at >= 0; at--) {
    if (best[at] === 0) continue;
    const candidate = Uint8Array.from(best);
    candidate[at] = 0;
    attempt(candidate);
  }
  return best;
}
