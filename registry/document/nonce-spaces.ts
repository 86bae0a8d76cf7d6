// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import type { Pool, PoolConfig, Server } from '../types.js';
import { IdTable } from './id-table.js';
import { KeyMarks } from './key-marks.js';
import { packedIds } from './packed-ids.js';
import type { Report } from './report.js';
import type { Lengths } from './shape.js';
import type { Path } from './source.js';
import type { Steps } from './steps.js';

/** A list of IDs that a server owns under an encrypted config. */
interface Holding {
  readonly pool: string;
  readonly server: Server;
  readonly config: PoolConfig;
  /** Of the list. */
  readonly place: Path;
  readonly ids: readonly Uint8Array[];
}

/**
 * Finds nonce spaces in two hands. A nonce must not be used twice under one key and server ID
 * (draft-ietf-quic-load-balancers-22, "CID Entropy"), and a sidecar counts the nonces of (scheme,
 * key, server ID, nonce length), whatever config ID it mints them under. So one server may have
 * an ID in such a space under many configs, as in a rotation that keeps the key; two servers may
 * not, because neither knows what the other has used, and both begin at random places.
 *
 * - Where both servers mint now (both configs minting, neither server down) and are at two
 *   addresses, that is an error. It takes two pools with one config, since a pool has one
 *   minting config, and under one config an ID has one owner.
 * - Else it is a warning. With one address it may be one server of two pools, which mints by one
 *   sidecar. And a server that takes over an ID may have been told that its first owner has
 *   minted little, or the config may go before it is minted.
 *
 * It is no fault without a key. There the nonces are scattered by a permutation that each
 * sidecar draws for itself, so there is nothing that a repeated nonce would show. CIDs are equal
 * only if config ID, server ID and nonce are, so they can repeat only between two pools, whose
 * VIPs are different, and a connection ID means something at one server alone.
 */
export function* checkNonceSpaces(
  shape: Lengths,
  pools: readonly Pool[],
  report: Report,
): Steps<void> {
  for (const holdings of yield* bySpace(shape, pools)) {
    // One config alone was checked where its pool was read.
    if (new Set(holdings.map(({ config }) => config)).size === 1) continue;
    const length = holdings[0]?.config.codec.serverIdLength ?? 0;
    const owned = new IdTable<Holding>(length);
    for (const holding of holdings) {
      const clash: Clash = { errors: 0, warnings: 0 };
      const octets = packedIds(holding.ids);
      yield* owned.add(
        { owner: holding, octets },
        (index, first) => {
          if (first.owner.server === holding.server) return;
          const id = octets.subarray(index * length, (index + 1) * length);
          tell(holding, index, id, first, clash, report);
        },
        () => {},
      );
      tellRest(holding, clash, report);
    }
  }
}

/** The lists of all encrypted configs with the same key and lengths, for each such space. */
function* bySpace(shape: Lengths, pools: readonly Pool[]): Steps<Iterable<Holding[]>> {
  const marks = new KeyMarks();
  const spaces = new Map<string, Holding[]>();
  for (const pool of pools) {
    yield;
    const spaceOf = new Map(pool.configs.map((config) => [config.id, nameOf(config, marks)]));
    const configs = new Map(pool.configs.map((config) => [config.id, config]));
    // Places are known where no server was left out as wrong.
    if (shape.pools[pool.name]?.servers.length !== pool.servers.length) continue;
    for (const [index, server] of pool.servers.entries()) {
      if (index % 256 === 0) yield;
      for (const [id, ids] of server.serverIds) {
        const space = spaceOf.get(id);
        const config = configs.get(id);
        if (space === undefined || config === undefined || ids.length === 0) continue;
        const place = ['pools', pool.name, 'servers', index, 'serverIds', String(id)];
        const holding = { pool: pool.name, server, config, place, ids };
        const holdings = spaces.get(space);
        if (holdings === undefined) spaces.set(space, [holding]);
        else holdings.push(holding);
      }
    }
  }
  return spaces.values();
}

/**
 * The pools in which {@link checkNonceSpaces} could find something: they have a config whose
 * nonce space is that of another config too.
 */
export function poolsWithSharedSpaces(pools: readonly Pool[]): ReadonlySet<string> {
  const marks = new KeyMarks();
  const users = new Map<string, string[]>();
  for (const { name, configs } of pools) {
    for (const config of configs) {
      const space = nameOf(config, marks);
      if (space !== undefined) users.set(space, [...(users.get(space) ?? []), name]);
    }
  }
  return new Set([...users.values()].filter((names) => names.length > 1).flat());
}

function nameOf({ codec }: PoolConfig, marks: KeyMarks): string | undefined {
  const { scheme, secrets, serverIdLength, nonceLength } = codec;
  if (secrets.length === 0) return undefined;
  const keys = secrets.map((secret) => marks.of(secret));
  return [scheme, ...keys, serverIdLength, nonceLength].join(' ');
}

/** How often an ID of one list is in another hand. */
interface Clash {
  errors: number;
  warnings: number;
}

/** One slip can repeat in every one of a million IDs; so many findings a list are enough. */
const TOLD_PER_LIST = 5;

function tell(
  holding: Holding,
  index: number,
  id: Uint8Array,
  first: { readonly owner: Holding; readonly index: number },
  clash: Clash,
  report: Report,
): void {
  const { owner } = first;
  const place = [...holding.place, index];
  const what = () =>
    `server ID ${toHex(id)} of ${holding.server.name} is, under the same key, one of ${owner.server.name} too (${report.lineText([...owner.place, first.index])})`;
  if (mintsNow(holding) && mintsNow(owner) && holding.server.address !== owner.server.address) {
    clash.errors += 1;
    if (clash.errors > TOLD_PER_LIST) return;
    report.error(
      place,
      () => `${what()}: both would use the same nonces; give them different IDs or keys`,
    );
    return;
  }
  clash.warnings += 1;
  if (clash.warnings > TOLD_PER_LIST) return;
  report.warn(
    place,
    () => `${what()}: if both mint, each uses nonces of the other; give them different IDs or keys`,
  );
}

function tellRest(holding: Holding, clash: Clash, report: Report): void {
  const rest = (count: number) =>
    `and ${count - TOLD_PER_LIST} more server IDs of this list are, under the same key, those of others too`;
  if (clash.errors > TOLD_PER_LIST) report.error(holding.place, rest(clash.errors));
  if (clash.warnings > TOLD_PER_LIST) report.warn(holding.place, rest(clash.warnings));
}

function mintsNow({ config, server }: Holding): boolean {
  return config.state === 'minting' && server.state !== 'down';
}
