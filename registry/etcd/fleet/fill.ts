// SPDX-License-Identifier: Apache-2.0
import type { PoolConfig } from '../../types.js';
import { issuedConfigs } from './allocation.js';
import { rangeOf } from './id-numbers.js';
import type { PoolPicture } from './pool-picture.js';

/** How full the range of a config is. */
export interface Fill {
  readonly config: PoolConfig;
  /** IDs of the range. */
  readonly size: number;
  readonly owned: number;
  /** At rest, pinned or reserved. */
  readonly away: number;
}

/** Percents at which it is told that IDs run out. */
export const FILL_LEVELS = [80, 95, 100] as const;
export type FillLevel = (typeof FILL_LEVELS)[number];

export function fillOf({ pool, usage, view }: PoolPicture): Fill[] {
  const { allocation, name } = pool;
  if (allocation === undefined) return [];
  return issuedConfigs(pool).flatMap((config) => {
    const range = rangeOf(allocation, config, pool);
    if (range === undefined) return [];
    const digits = 2 * config.codec.serverIdLength;
    const folder = `${name}/${config.id}`;
    const runs = [...view.rests.in(folder), ...view.pinned.in(folder)];
    const away = runs.reduce((sum, [hex, { value }]) => {
      const first = Number.parseInt(hex, 16);
      if (hex.length !== digits || first < range.first || first > range.last) return sum;
      return sum + Math.min(value.count, range.last - first + 1);
    }, 0);
    const size = range.last - range.first + 1;
    return [{ config, size, owned: usage.of(config.id).countIn(range.first, range.last), away }];
  });
}

/** The highest level that is reached; undefined below all. */
export function levelOf({ size, owned, away }: Fill): FillLevel | undefined {
  const percent = (100 * (owned + away)) / size;
  return FILL_LEVELS.findLast((level) => percent >= level);
}
