// SPDX-License-Identifier: Apache-2.0
import { packedIds } from '../document/packed-ids.js';
import type { Path } from '../document/path.js';
import type { Pool, PoolConfig, Server } from '../types.js';
import type { Counterparts } from './counterparts.js';
import type { Found } from './found.js';

/** A pool that is in both states. */
export interface PoolChange {
  readonly before: Pool;
  readonly after: Pool;
  readonly counterparts: Counterparts;
  readonly found: Found;
}

/** Whether new connections go to it, so that it is sure to hold some. */
export function takesConnections({ state, weight }: Server): boolean {
  return state === 'active' && weight > 0;
}

export function holdsConnections(pool: Pool): boolean {
  return pool.servers.some(takesConnections);
}

export function idsUnder(server: Server, { id }: PoolConfig): readonly Uint8Array[] {
  return server.serverIds.get(id) ?? [];
}

/** Whether CIDs under it can be with clients: it was minted, and somebody had an ID to mint. */
export function hasCids(config: PoolConfig, { servers }: Pool): boolean {
  return (
    (config.state === 'minting' || config.state === 'retiring') &&
    servers.some((server) => idsUnder(server, config).length > 0)
  );
}

/** Whether two lists hold the same IDs in the same order. */
export function sameIds(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a === b || (a.length === b.length && Buffer.compare(packedIds(a), packedIds(b)) === 0);
}

export function placeOfPool(pool: Pool): Path {
  return ['pools', pool.name];
}

export function placeOfConfig(pool: Pool, config: PoolConfig): Path {
  return [...placeOfPool(pool), 'configs', pool.configs.indexOf(config)];
}

/** `config 0 of pool web` */
export function configName({ id }: PoolConfig, pool: Pool): string {
  return `config ${id} of pool ${pool.name}`;
}

/** `server web-1 of pool web` */
export function serverName({ name }: Server, pool: Pool): string {
  return `server ${name} of pool ${pool.name}`;
}

/** `1 server`, `2 servers` */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** A sentence that begins with a name in small letters. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
