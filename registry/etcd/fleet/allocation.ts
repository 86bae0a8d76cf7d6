// SPDX-License-Identifier: Apache-2.0
import { readAddress } from '../../../core/address.js';
import type { Allocation, Pool, PoolConfig } from '../../types.js';
import type { RequestValue } from '../layout/index.js';
import type { Entry } from './fleet-table.js';
import { FreeIds } from './free-ids.js';
import type { GrantedIds, PoolPicture } from './pool-picture.js';

/** What one request is given. */
export interface Grant {
  readonly server: string;
  readonly request: Entry<RequestValue>;
  /** Whether the server has to be put into the desired state. */
  readonly isNew: boolean;
  readonly ids: readonly GrantedIds[];
}

/** Why a request does not get what it asks for. */
export interface Unmet {
  readonly server: string;
  readonly reason: string;
}

export interface Decision {
  readonly grants: readonly Grant[];
  readonly unmet: readonly Unmet[];
}

/** What fits into one transaction beside the conditions and operations that all have. */
export interface Room {
  /** Requests. */
  readonly grants: number;
  /** Keys to be put. */
  readonly puts: number;
}

/** Of 128 operations; the revision and an event are put too. */
export const TRANSACTION_ROOM: Room = { grants: 40, puts: 120 };

/**
 * What is to be handed out next, the oldest request first. What does not fit is left for the next
 * time. IDs are the lowest that are free, and the same under each config where that can be.
 *
 * Pure: that all is still as it was seen is up to the transaction (grant.ts, chain.ts).
 */
export function decideAllocation(picture: PoolPicture, room: Room = TRANSACTION_ROOM): Decision {
  const { pool, view } = picture;
  const grants: Grant[] = [];
  const unmet: Unmet[] = [];
  // Nearly all of them, at nearly each look.
  const issued = issuedConfigs(pool);
  const requests: [server: string, request: Entry<RequestValue>][] = [];
  for (const entry of view.requests.in(pool.name)) {
    if (!isMet(picture, issued, ...entry)) requests.push(entry);
  }
  if (requests.length === 0) return { grants, unmet };
  requests.sort(([, a], [, b]) => a.createRevision - b.createRevision);
  const free = new FreeIds(picture);
  let { puts } = room;
  for (const [server, request] of requests) {
    if (grants.length >= room.grants) break;
    const { grant, reason } = grantOf({ picture, free, server, request, puts });
    if (reason !== undefined) unmet.push({ server, reason });
    if (grant === undefined) continue;
    const cost = putsOf(grant);
    if (cost > puts) break;
    puts -= cost;
    grants.push(grant);
  }
  return { grants, unmet };
}

/** Whether a server has all that it asks for, by what is quick to see. */
function isMet(
  { pool, usage, elsewhere, vips }: PoolPicture,
  issued: readonly PoolConfig[],
  server: string,
  { value }: Entry<RequestValue>,
): boolean {
  const { allocation } = pool;
  const present = usage.server(server);
  if (allocation === undefined || present === undefined || value.reclaimed === true) return false;
  if (present.address !== value.address || vips.has(value.address)) return false;
  const wanted = wantedIds(value, allocation);
  const has = ({ id }: PoolConfig) => (present.serverIds.get(id)?.length ?? 0) >= wanted;
  return issued.every(has) && !elsewhere.has(server);
}

/** The request itself, the server, and the IDs. */
function putsOf({ isNew, ids }: Grant): number {
  return 1 + (isNew ? 1 : 0) + ids.reduce((sum, { hexes }) => sum + hexes.length, 0);
}

interface Asking {
  readonly picture: PoolPicture;
  readonly free: FreeIds;
  readonly server: string;
  readonly request: Entry<RequestValue>;
  readonly puts: number;
}

function grantOf(asking: Asking): { grant?: Grant; reason?: string } {
  const { picture, free, server, request, puts } = asking;
  const { pool, usage, elsewhere, vips } = picture;
  const { allocation } = pool;
  // It leaves, or was silent for its hold, and has more IDs than go to rest at a time.
  if (request.value.reclaimed === true) return {};

  if (allocation === undefined) return { reason: `pool ${pool.name} hands out no IDs` };
  if (elsewhere.has(server)) return { reason: 'another pool has a server of this name' };
  const reading = readAddress(request.value.address);
  if ('problem' in reading) return { reason: `its address ${reading.problem}` };
  const address = reading.address.text;
  if (vips.has(address)) return { reason: `its address ${address} is a VIP` };
  const present = usage.server(server);
  if (present !== undefined && present.address !== address) {
    return { reason: `it registers with ${address}, and is ${present.address} in the registry` };
  }
  const isNew = present === undefined;
  const wanted = wantedIds(request.value, allocation);
  const missing = issuedConfigs(pool).flatMap((config) => {
    const count = wanted - (present?.serverIds.get(config.id)?.length ?? 0);
    return count > 0 ? [{ config, count }] : [];
  });
  // As many at a time as fit; the rest comes with the next transactions.
  let left = Math.max(puts - 2, 0);
  const most = missing.map(({ config, count }) => {
    const now = Math.min(count, left);
    left -= now;
    return { config, count: now };
  });
  const ids = free.take(server, present, most);
  const short = most.find(
    ({ config, count }) => count > (ids.find((each) => each.config === config)?.hexes.length ?? 0),
  );
  const reason = short && `no ID is free under config ${short.config.id} of pool ${pool.name}`;
  if (!isNew && ids.length === 0) return reason === undefined ? {} : { reason };
  const grant = { server, request, isNew, ids };
  return reason === undefined ? { grant } : { grant, reason };
}

/** How many IDs a server is to have under each config. */
export function wantedIds(
  { ids }: Pick<RequestValue, 'ids'>,
  { idsPerServer }: Allocation,
): number {
  return ids ?? idsPerServer;
}

/** The configs under which servers get IDs: those that are issued now, or next. */
export function issuedConfigs({ configs }: Pick<Pool, 'configs'>): PoolConfig[] {
  return [
    ...configs.filter(({ state }) => state === 'minting'),
    ...configs.filter(({ state }) => state === 'staged'),
  ];
}

/** The request as a grant leaves it. */
export function requestAfter({ request, ids }: Grant): RequestValue {
  const granted: Record<string, string[]> = { ...request.value.granted };
  for (const { config, hexes } of ids) {
    const key = String(config.id);
    const octets = config.codec.serverIdLength;
    const all = new Set([...(granted[key] ?? []), ...hexes]);
    // Under another length, or another meaning of the config ID, those were other IDs.
    granted[key] = [...all].filter((hex) => hex.length === 2 * octets);
  }
  const { reclaimed: _, ...value } = request.value;
  return { ...value, granted };
}
