// SPDX-License-Identifier: Apache-2.0
import { leavePool } from '../../registry/etcd/fleet/index.js';
import type { RegistrationOptions } from './registration-options.js';

/** Has the server leave its pool, whose IDs then rest. Where that fails it keeps them. */
export async function leaveOwnPool({
  registry,
  pool,
  server,
  log,
}: Pick<RegistrationOptions, 'registry' | 'pool' | 'server' | 'log'>): Promise<void> {
  const { client, keys } = registry;
  try {
    const by = `cid-sidecar ${server}`;
    const read = () => registry.read();
    const ids = await leavePool({ client, keys, pool, server, by, read, takeMarks: true });
    log.info({ pool, server, ids: ids?.length ?? 0 }, 'left the pool; its IDs are at rest');
  } catch (error) {
    log.error({ error }, 'this server could not leave the pool: it keeps its IDs');
  }
}
