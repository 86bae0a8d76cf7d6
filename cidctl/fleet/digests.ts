// SPDX-License-Identifier: Apache-2.0
import { configDigest } from '../../registry/etcd/layout/index.js';
import type { FleetSnapshot } from './snapshot.js';

/**
 * What agents should say of the configs that they hold, by `<pool>/<config>`; without those that
 * are quarantined, and those whose keys this host cannot open.
 */
export function expectedDigests({ desired, pools }: FleetSnapshot): ReadonlyMap<string, string> {
  const salt = desired.meta?.salt;
  if (salt === undefined) return new Map();
  return new Map(
    pools.flatMap(({ name, configs }) =>
      configs.list
        .filter(({ state }) => state !== 'quarantined')
        .map((config) => [`${name}/${config.id}`, configDigest(salt, name, config)] as const),
    ),
  );
}
