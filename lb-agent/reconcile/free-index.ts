// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';

/**
 * The lowest index from `first` on and below `end` that is free.
 * @throws CidecarError MAP_FULL where there is none
 */
export function lowestFree(
  first: number,
  end: number,
  what: string,
  free: (index: number) => boolean,
): number {
  for (let index = first; index < end; index++) if (free(index)) return index;
  throw new CidecarError(
    'MAP_FULL',
    `the tables have places for ${end - first} ${what} and no more`,
  );
}
