// SPDX-License-Identifier: Apache-2.0
import type { Registrant } from '../../registry/etcd/fleet/index.js';
import type { DesiredState } from '../../registry/index.js';

/**
 * Whether two states say the same of what a registration goes by: what the pool hands out, under
 * which configs, and the server itself. What did not change is the same object in both, and most
 * changes of a fleet concern others.
 */
export function isSameForServer(
  a: DesiredState,
  b: DesiredState,
  { pool: name, server }: Pick<Registrant, 'pool' | 'server'>,
): boolean {
  const [one, other] = [a, b].map(({ pools }) => pools.find((pool) => pool.name === name));
  if (one === other) return true;
  if (one === undefined || other === undefined) return false;
  if (one.allocation !== other.allocation || one.configs !== other.configs) return false;
  const [before, now] = [one, other].map(({ servers }) => servers.find((s) => s.name === server));
  return before === now;
}
