// SPDX-License-Identifier: Apache-2.0
import { CidecarError, equalOctets } from '../core/index.js';
import {
  type DesiredState,
  type NeedsKey,
  type Pool,
  readServerId,
  type Server,
} from '../registry/index.js';

/** Set by the AWS Load Balancer Controller in a pod: base64 of the 8 octets of its server ID. */
export const SERVER_ID_VARIABLE = 'AWS_LBC_QUIC_SERVER_ID';

/** A server that the registry is to find by an ID that it owns under the minting config. */
export interface ServerById {
  /** Hex, with or without 0x, or base64 of 8 octets. */
  readonly serverId: string;
  /** The pool to look in; left out, all of them. */
  readonly pool?: string;
}

/** Which server of the document a sidecar stands beside: a name, or what it is found by. */
export type OwnServer = string | ServerById;

/**
 * The name of the own server in a document. A name is taken as it is.
 *
 * @throws CidecarError SERVER_UNKNOWN where no server has the ID under a minting config, or
 * servers of several pools have it; SERVER_ID_INVALID where it is no ID of the pool's length
 */
export function nameOfOwnServer(own: OwnServer, state: DesiredState): string {
  if (typeof own === 'string') return own;
  const pools = poolsToSearch(own, state);
  const readings = pools.map((pool) => ({ pool, id: readIn(own, pool) }));
  const found = readings.flatMap(({ pool, id }) => {
    const owner = id === undefined ? undefined : ownerIn(pool, id);
    return owner === undefined ? [] : [{ pool: pool.name, server: owner.name }];
  });
  const [first, ...others] = found;
  if (first === undefined) throw nobodyHas(own, readings);
  if (others.length === 0) return first.server;
  const owners = found.map(({ pool, server }) => `${server} of pool ${pool}`).join(' and ');
  throw new CidecarError(
    'SERVER_UNKNOWN',
    `${SERVER_ID_VARIABLE} is an ID of ${owners}: say by --pool which of them this is`,
  );
}

/** The keys without which a document does not say which server is the own one. */
export function keysToFind(own: OwnServer): NeedsKey {
  return ({ hasServer, pool, state }) => {
    if (state === 'quarantined') return false;
    if (typeof own === 'string') return hasServer(own);
    return own.pool === undefined || own.pool === pool;
  };
}

function poolsToSearch({ pool: wanted }: ServerById, { pools }: DesiredState): readonly Pool[] {
  if (wanted === undefined) return pools;
  const pool = pools.find(({ name }) => name === wanted);
  if (pool !== undefined) return [pool];
  throw new CidecarError('SERVER_UNKNOWN', `--pool: the registry has no pool ${wanted}`);
}

function mintingIn({ configs }: Pool) {
  return configs.find(({ state }) => state === 'minting');
}

/** Undefined where the pool mints nothing, or IDs of another length. */
function readIn({ serverId }: ServerById, pool: Pool): Uint8Array | undefined {
  const minting = mintingIn(pool);
  return minting && readServerId(serverId, minting.codec.serverIdLength);
}

function ownerIn(pool: Pool, id: Uint8Array): Server | undefined {
  const config = mintingIn(pool)?.id;
  if (config === undefined) return undefined;
  return pool.servers.find(({ serverIds }) =>
    serverIds.get(config)?.some((each) => equalOctets(each, id)),
  );
}

function nobodyHas(
  { serverId, pool }: ServerById,
  readings: readonly { pool: Pool; id: Uint8Array | undefined }[],
): CidecarError {
  const shown = serverId.length > 40 ? `${serverId.slice(0, 40)}...` : serverId;
  const minting = readings.flatMap((each) => mintingIn(each.pool) ?? []);
  const where = pool === undefined ? 'of any pool' : `of pool ${pool}`;
  if (minting.length === 0) {
    return new CidecarError(
      'SERVER_UNKNOWN',
      `no config ${where} is minting, so no server is known by the ID of ${SERVER_ID_VARIABLE}: give its name by --server`,
    );
  }
  if (readings.every(({ id }) => id === undefined)) {
    const lengths = [...new Set(minting.map(({ codec }) => codec.serverIdLength))];
    return new CidecarError(
      'SERVER_ID_INVALID',
      `${SERVER_ID_VARIABLE} must be an ID of ${lengths.join(' or ')} octets, as hex, with or without 0x${lengths.includes(8) ? ', or as base64 (12 characters)' : ''}, not ${JSON.stringify(shown)}`,
    );
  }
  return new CidecarError(
    'SERVER_UNKNOWN',
    `no server ${where} has the ID ${JSON.stringify(shown)} of ${SERVER_ID_VARIABLE} under the minting config`,
  );
}
