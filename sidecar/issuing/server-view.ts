// SPDX-License-Identifier: Apache-2.0
import { FAILOVER_MIN_CID_LENGTH } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import {
  type DesiredState,
  type Pool,
  type PoolConfig,
  packedIds,
  type Server,
} from '../../registry/index.js';

/** A config together with the server IDs that the server may mint under it. */
export interface Mintable {
  readonly config: PoolConfig;
  readonly serverIds: readonly Uint8Array[];
}

/** The desired state as one server sees it. */
export interface ServerView {
  readonly revision: string;
  readonly poolName: string;
  readonly server: Server;
  /** Whether the registry has the server; where not, `server` is what it was, down, without IDs. */
  readonly named: boolean;
  /** Configs whose CIDs balancers decode. */
  readonly live: readonly PoolConfig[];
  readonly configs: readonly PoolConfig[];
  /** What to mint, the best first: each is used when the nonces of those before it are used up. */
  readonly mintable: readonly Mintable[];
  /** Why nothing is mintable; empty where something is. */
  readonly reason: string;
  /** The server of the pool that has an ID under a config. */
  owner(configId: number, serverId: Uint8Array): Server | undefined;
}

/**
 * What a sidecar starts with. Throws SERVER_UNKNOWN, or CID_CONFIG_INVALID where the CIDs of a
 * live config are shorter than 0b111 CIDs can be: at the start both are slips that a person has
 * to correct.
 */
export function viewOf(state: DesiredState, serverName: string): ServerView {
  const place = placeOf(state, serverName);
  if (place === undefined) {
    throw new CidecarError('SERVER_UNKNOWN', `no pool has a server named ${serverName}`);
  }
  requireRoomForFailover(place.pool.configs);
  return viewIn(state, place.pool, place.server);
}

/**
 * What a sidecar that runs goes by next. Never throws: balancers follow a valid document whatever
 * it says of this server, so a sidecar that stayed with the document before would issue CIDs that
 * lead to another server, or to none. A server that is no longer in the document has no IDs.
 */
export function viewAfter(before: ServerView, state: DesiredState): ServerView {
  const place = placeOf(state, before.server.name);
  if (place !== undefined) return viewIn(state, place.pool, place.server);
  // Where the pool is gone too, its configs say at least whether 0b111 CIDs need zeroes.
  const pool = state.pools.find(({ name }) => name === before.poolName);
  const configs = pool?.configs ?? before.configs;
  const servers = pool?.servers ?? [];
  return {
    revision: state.revision,
    poolName: before.poolName,
    server: { ...before.server, serverIds: new Map(), state: 'down' },
    named: false,
    configs,
    live: liveOf(configs),
    mintable: [],
    reason: `the registry has no server ${before.server.name} any more`,
    owner: (configId, serverId) => ownerOf(configId, serverId, servers),
  };
}

function placeOf(state: DesiredState, serverName: string) {
  for (const pool of state.pools) {
    const server = pool.servers.find(({ name }) => name === serverName);
    if (server !== undefined) return { pool, server };
  }
  return undefined;
}

function viewIn(state: DesiredState, pool: Pool, server: Server): ServerView {
  const withIds = pool.configs
    .map((config) => ({ config, serverIds: server.serverIds.get(config.id) ?? [] }))
    .filter(({ serverIds }) => serverIds.length > 0);
  const inState = (wanted: string) => withIds.filter(({ config }) => config.state === wanted);
  const minting = server.state === 'down' ? [] : inState('minting');
  // Balancers decode a staged config already, so it can help out when the nonces of the minting
  // config are used up. It is never the first choice: that is for the operator to decide.
  const mintable = minting.length === 0 ? [] : [...minting, ...inState('staged')];

  return {
    revision: state.revision,
    poolName: pool.name,
    server,
    named: true,
    configs: pool.configs,
    live: liveOf(pool.configs),
    mintable,
    reason: mintable.length > 0 ? '' : whyNothing(server, pool.configs),
    owner: (configId, serverId) => ownerOf(configId, serverId, [server, ...pool.servers]),
  };
}

// Keys are missing only in the pool of a server that is no longer named: it needs none of them.
function liveOf(configs: readonly PoolConfig[]): readonly PoolConfig[] {
  return configs.filter(({ state, unread = [] }) => state !== 'quarantined' && unread.length === 0);
}

// Searches the packed octets, in the order of the servers: own IDs first. A pool can have a million IDs: to build an index of
// them would stop issuing for most of a second at each change of the document, while a search
// takes a few milliseconds and sidecars are rarely asked about foreign IDs.
function ownerOf(
  configId: number,
  serverId: Uint8Array,
  servers: readonly Server[],
): Server | undefined {
  return servers.find(({ serverIds }) => {
    const ids = serverIds.get(configId);
    return ids !== undefined && holds(packedIds(ids), serverId);
  });
}

/** Whether `id` is one of the IDs of its length in `packed`. */
function holds(packed: Uint8Array, id: Uint8Array): boolean {
  const { length } = id;
  // Backwards, because IDs that were handed out in a row begin alike.
  for (let end = length; end <= packed.length; end += length) {
    let same = 1;
    while (same <= length && packed[end - same] === id[length - same]) same += 1;
    if (same > length) return true;
  }
  return false;
}

function whyNothing(server: Server, configs: readonly PoolConfig[]): string {
  if (server.state === 'down') return `server ${server.name} is down in the registry`;
  return configs.some(({ state }) => state === 'minting')
    ? `server ${server.name} has no server ID under the minting config`
    : 'no config of the pool is minting';
}

// Balancers route shorter CIDs too, but a server has one CID length, and its 0b111 CIDs must
// have that length (draft-ietf-quic-load-balancers-22, "Config Failover").
function requireRoomForFailover(configs: readonly PoolConfig[]): void {
  const short = configs.find(
    ({ state, codec }) => state !== 'quarantined' && codec.cidLength < FAILOVER_MIN_CID_LENGTH,
  );
  if (short === undefined) return;
  const { cidLength, serverIdLength, nonceLength } = short.codec;
  throw new CidecarError(
    'CID_CONFIG_INVALID',
    `config ${short.id} has CIDs of ${cidLength} octets (serverIdLength ${serverIdLength}, nonceLength ${nonceLength}); a server that is to fall back to 0b111 CIDs needs ${FAILOVER_MIN_CID_LENGTH}: raise nonceLength by ${FAILOVER_MIN_CID_LENGTH - cidLength}`,
    { field: 'nonceLength' },
  );
}
