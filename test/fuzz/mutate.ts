// SPDX-License-Identifier: Apache-2.0
import type { Random } from './random.js';

/** Headers are in the first octets, where changes matter more than in the payload. */
const HEADERS = 110;
const EDGES = [0, 1, 2, 4, 5, 6, 7, 8, 15, 17, 20, 40, 44, 58, 59, 60, 64, 127, 128, 255];
const SHORTEST = 14;

/** Returns a copy. In a third of the cases, a few octets or the length are changed. */
export function mutate(random: Random, frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  if (random.chance(0.65)) return copy;
  for (let n = random.between(1, 3); n > 0; n--) change(random, copy);
  if (random.chance(0.15)) return copy.subarray(0, random.between(SHORTEST, copy.length));
  return copy;
}

function change(random: Random, frame: Uint8Array): void {
  const at = random.below(Math.min(frame.length, HEADERS));
  const octet = frame[at] ?? 0;
  switch (random.below(4)) {
    case 0:
      frame[at] = random.word();
      break;
    case 1:
      frame[at] = random.pick(EDGES);
      break;
    case 2:
      frame[at] = octet ^ (1 << random.below(8));
      break;
    default:
      frame[at] = octet + random.pick([-1, 1]);
  }
}
