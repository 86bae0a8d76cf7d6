// SPDX-License-Identifier: Apache-2.0
import type { Pool } from '../types.js';
import { KeyMarks } from './key-marks.js';
import type { Report } from './report.js';
import type { Lengths } from './shape.js';
import type { Path } from './source.js';

/**
 * Warns of reset keys in two places. Where that is harmless it is not warned of: two configs of
 * one pool may share one, because their CIDs differ in their first three bits, and a reset key
 * with its CID is what must not be used twice (RFC 9000, section 10.3.2; the draft, "Stateless
 * Reset Oracle", has a key for each config ID, to be replaced when that gets a new meaning).
 * Servers that have one key for all their CIDs need it so, while a rotation lasts.
 *
 * In two pools it is not harmless: the servers of the one know no connection of the other, and
 * answer its CIDs, sent to their own VIP, with resets that end those (RFC 9000, section 21.11).
 */
export function checkResetKeys(shape: Lengths, pools: readonly Pool[], report: Report): void {
  const marks = new KeyMarks();
  const places = pools.flatMap((pool) => {
    // The places of configs are known where none was left out as wrong.
    if (shape.pools[pool.name]?.configs.length !== pool.configs.length) return [];
    return pool.configs.map((config, index) => ({
      pool: pool.name,
      config,
      path: ['pools', pool.name, 'configs', index] as Path,
    }));
  });
  const cidKeys = new Map<string, Path>();
  for (const { config, path } of places) {
    for (const secret of config.codec.secrets) {
      const mark = marks.of(secret);
      if (!cidKeys.has(mark)) cidKeys.set(mark, path);
    }
  }
  const resetKeys = new Map<string, { readonly pool: string; readonly path: Path }>();
  for (const { pool, config, path } of places) {
    if (config.resetKey === null) continue;
    const mark = marks.of(config.resetKey);
    const place = [...path, 'resetKeyFile'];
    const cidKey = cidKeys.get(mark);
    if (cidKey !== undefined) {
      report.warn(
        place,
        () =>
          `is the key of the CIDs too (${report.lineText(cidKey)}); a key should serve one purpose`,
      );
    }
    const earlier = resetKeys.get(mark);
    if (earlier === undefined) resetKeys.set(mark, { pool, path: place });
    else if (earlier.pool !== pool) {
      report.warn(
        place,
        () =>
          `is the reset key of pool ${earlier.pool} too (${report.lineText(earlier.path)}): anybody could have the servers of one pool reset connections of the other; give each pool its own`,
      );
    }
  }
}
