// SPDX-License-Identifier: Apache-2.0
import type { RegistryHealth } from '../../daemon/registry-health.js';
import type { ServerRecord } from '../reconcile/record.js';

/** Milliseconds; what passes by itself within this time is no news for a router. */
const LASTING_MS = 30_000;

type Health = Pick<RegistryHealth, 'refusedSince' | 'failingSince'>;

/**
 * Why this host routes worse than another may: it cannot take the newest desired state, or reaches
 * no server of a pool. Undefined where nothing is known that is worse here.
 *
 * @param servers as the kernel has them
 * @param now milliseconds since 1970
 */
export function degradedBy(
  health: Health,
  servers: readonly ServerRecord[],
  now: number,
): string | undefined {
  const lasts = (since: Date | undefined) =>
    since !== undefined && now - since.getTime() >= LASTING_MS;
  if (lasts(health.failingSince)) return 'the newest state of the registry cannot be applied';
  if (lasts(health.refusedSince)) return 'the newest state of the registry is refused';
  const pool = poolWithoutWay(servers);
  return pool === undefined ? undefined : `this host reaches no server of the pool ${pool}`;
}

/** A pool whose servers all cannot be reached from here, whatever their states. */
function poolWithoutWay(servers: readonly ServerRecord[]): string | undefined {
  const reached = new Map<string, boolean>();
  for (const { pool, unreachable } of servers) {
    reached.set(pool, (reached.get(pool) ?? false) || unreachable === undefined);
  }
  return [...reached].find(([, any]) => !any)?.[0];
}
