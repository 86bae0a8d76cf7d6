// SPDX-License-Identifier: Apache-2.0
import { randomInt } from 'node:crypto';
import { readAddress } from '../../core/address.js';
import { get, type KeyValue, withPrefix } from '../../registry/etcd/client/index.js';
import {
  type ChainOn,
  chainLength,
  chainTransaction,
  type Entry,
  FleetPicture,
  FreeIds,
  type Grant,
  type GrantedIds,
  hexOfNumber,
  IdUsage,
  issuedConfigs,
  type PoolPicture,
  wantedIds,
} from '../../registry/etcd/fleet/index.js';
import { type RequestValue, revisionNumber } from '../../registry/etcd/layout/index.js';
import type { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import type { DesiredState, Pool, PoolConfig } from '../../registry/index.js';

export interface ChainFor {
  readonly registry: EtcdRegistry;
  readonly pool: string;
  readonly server: string;
  readonly request: Entry<RequestValue>;
  /** Draws a whole number from 0 up to but without `below`; for tests. */
  readonly random?: (below: number) => number;
}

/** IDs under one config in one transaction. */
const IDS_AT_ONCE = 20;
/** Places beyond the number of requests at which many who begin at once spread. */
const SPREAD = 64;

/**
 * Helps itself to IDs, once, while the pool has no controller. True where it got some. False
 * where nothing is missing or free, or something is different from what was seen.
 */
export async function allocateByChain(of: ChainFor): Promise<boolean> {
  const { registry, pool: name } = of;
  const { client, keys } = registry;
  const state = await registry.read();
  const pool = state.pools.find((each) => each.name === name);
  if (pool?.allocation === undefined) return false;
  const read = await readAround(of, pool, state);
  if (read === undefined) return false;
  const { picture, on } = read;
  const candidates = candidatesFor(of, picture, (candidate) => chainLength(keys, on, candidate));
  const [first, ...others] = candidates;
  if (first === undefined) return false;
  const what = `allocation to server ${of.server}`;
  const transaction = chainTransaction(keys, on, [first, ...others]);
  const { results } = await client.kv.txn(transaction, { what, repeatable: true });
  const last = results.at(-1);
  const entry = last?.kind === 'get' ? last.entries[0] : undefined;
  // By this transaction, or by one that was committed although its answer was lost.
  return entry !== undefined && entry.modRevision !== of.request.modRevision;
}

/** What the chain is decided on, beside the desired state. Undefined where that is behind. */
async function readAround(
  { registry, server, request }: ChainFor,
  pool: Pool,
  state: DesiredState,
): Promise<{ picture: PoolPicture; on: ChainOn } | undefined> {
  const { client, keys } = registry;
  const own = [
    keys.pool(pool.name),
    keys.server(pool.name, server),
    ...pool.configs.map(({ id }) => keys.config(pool.name, id)),
  ];
  const reads = [
    ...own.map((key) => get(key)),
    get(withPrefix(keys.rest(pool.name))),
    get(withPrefix(keys.pinned(pool.name))),
  ];
  const what = 'read of what is free';
  const { results, revision } = await client.kv.txn(
    { when: [], success: reads },
    { what, repeatable: true },
  );
  const entries = results.map((each) => (each.kind === 'get' ? each.entries : []));
  const seen = own.map((key, at) => ({ key, modRevision: entries[at]?.[0]?.modRevision ?? 0 }));
  const known = revisionNumber(state.revision) ?? 0;
  if (seen.some(({ modRevision }) => modRevision > known)) return undefined;
  const away: KeyValue[] = entries.slice(own.length).flat();
  const fleet = new FleetPicture(keys, { parts: ['rests', 'pinned'] });
  fleet.begin(revision, away);
  const usage = new IdUsage();
  usage.update(pool);
  const others = state.pools.filter(({ name }) => name !== pool.name);
  const elsewhere = new Set(others.flatMap(({ servers }) => servers.map(({ name }) => name)));
  const vips = state.pools.flatMap((each) => each.vips.map(({ address }) => address));
  const view = { ...fleet.view, requests: oneRequest(server, request), revision };
  const picture = { pool, usage, elsewhere, vips: new Set(vips), view };
  const on: ChainOn = {
    pool: pool.name,
    configs: pool.configs,
    seen,
    viewRevision: revision,
    elsewhere: others.map(({ name }) => keys.server(name, server)),
    by: `cid-sidecar ${server}`,
  };
  return { picture, on };
}

function oneRequest(server: string, request: Entry<RequestValue>) {
  const entries = new Map([[server, request]]);
  return { size: 1, folders: [], in: () => entries, get: () => request };
}

/** Grants of which each would do, at places of its own; none where nothing is missing or free. */
function candidatesFor(
  { server, request, random = (below) => randomInt(below) }: ChainFor,
  picture: PoolPicture,
  length: (candidate: Grant) => number,
): Grant[] {
  const { pool, usage } = picture;
  const { allocation } = pool;
  if (allocation === undefined || picture.elsewhere.has(server)) return [];
  if (request.value.reclaimed === true) return [];
  const present = usage.server(server);
  const reading = readAddress(request.value.address);
  if ('problem' in reading || picture.vips.has(reading.address.text)) return [];
  // CIDs of a server that moved would lead to where it was.
  if (present !== undefined && present.address !== reading.address.text) return [];
  const wanted = wantedIds(request.value, allocation);
  const needs = issuedConfigs(pool).flatMap((config) => {
    const count = wanted - (present?.serverIds.get(config.id)?.length ?? 0);
    return count > 0 ? [{ config, count: Math.min(count, IDS_AT_ONCE) }] : [];
  });
  const isNew = present === undefined;
  const grantOf = (ids: readonly GrantedIds[]): Grant => ({ server, request, isNew, ids });
  if (needs.length === 0) return isNew ? [grantOf([])] : [];
  // First what is the same under each config, or kept for this server.
  const preferred = present === undefined ? [] : new FreeIds(picture).take(server, present, needs);
  const most = length(grantOf(preferred.length > 0 ? preferred : shapeOf(needs)));
  const start = random(usage.size + SPREAD);
  const places = new Map(
    needs.map(({ config, count }) => [
      config,
      placesOf(picture, { config, count, server }, start, most),
    ]),
  );
  const candidates = preferred.length === 0 ? [] : [grantOf(preferred)];
  for (let at = 0; candidates.length < most; at += 1) {
    const ids = needs.flatMap(({ config, count }): GrantedIds[] => {
      const numbers = places.get(config)?.slice(at * count, (at + 1) * count) ?? [];
      if (numbers.length < count) return [];
      const octets = config.codec.serverIdLength;
      return [{ config, hexes: numbers.map((number) => hexOfNumber(number, octets)) }];
    });
    if (ids.length < needs.length) break;
    candidates.push(grantOf(ids));
  }
  return candidates;
}

/** Free numbers from a random place on; from the first where there are none behind it. */
function placesOf(
  picture: PoolPicture,
  { config, count, server }: { config: PoolConfig; count: number; server: string },
  start: number,
  most: number,
): number[] {
  const all: number[] = [];
  const end = (start + most) * count;
  for (const number of new FreeIds(picture).lowest(config, server)) {
    all.push(number);
    if (all.length >= end) break;
  }
  const from = Math.min(start * count, Math.max(0, all.length - most * count));
  return all.slice(from);
}

function shapeOf(needs: readonly { config: PoolConfig; count: number }[]): GrantedIds[] {
  return needs.map(({ config, count }) => ({ config, hexes: Array<string>(count).fill('') }));
}
