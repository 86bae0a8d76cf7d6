// SPDX-License-Identifier: Apache-2.0
import type { UnroutableReason } from '../cid/index.js';
import { equalOctets } from '../core/index.js';
import type { DesiredState, Pool, PoolConfig, Server } from '../registry/index.js';

/**
 * Why a CID does not route: for a reason in the CID itself, or for one in the desired state.
 * `key-not-read`: nobody can tell without the key.
 */
export type WhyUnroutable =
  | UnroutableReason
  | 'config-quarantined'
  | 'server-down'
  | 'key-not-read';

/** What one CID means under one config of one pool. */
export interface Reading {
  readonly pool: Pool;
  readonly config: PoolConfig;
  /** Null if it routes. */
  readonly unroutable: WhyUnroutable | null;
  readonly serverId?: Uint8Array;
  readonly nonce?: Uint8Array;
  readonly server?: Server;
}

/**
 * What a CID means under each config, to balancers that work from `state`. It is routable if it
 * decodes, under a live config, to an ID of a server that is not down.
 */
export function readingsOf(state: DesiredState, cid: Uint8Array): Reading[] {
  return state.pools.flatMap((pool) => pool.configs.map((config) => readingOf(pool, config, cid)));
}

function readingOf(pool: Pool, config: PoolConfig, cid: Uint8Array): Reading {
  if (config.unread?.includes('cids')) return { pool, config, unroutable: 'key-not-read' };
  const decoded = config.codec.decode(cid);
  if (!decoded.routable) return { pool, config, unroutable: decoded.reason };
  const { serverId, nonce } = decoded;
  const server = pool.servers.find(({ serverIds }) =>
    serverIds.get(config.id)?.some((id) => equalOctets(id, serverId)),
  );
  const reading = { pool, config, serverId, nonce };
  if (config.state === 'quarantined') {
    return { ...reading, unroutable: 'config-quarantined', ...(server && { server }) };
  }
  if (server === undefined) return { ...reading, unroutable: 'unknown-server-id' };
  return { ...reading, server, unroutable: server.state === 'down' ? 'server-down' : null };
}
