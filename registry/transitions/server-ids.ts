// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import { IdTable } from '../document/id-table.js';
import { packedIds } from '../document/packed-ids.js';
import type { Path } from '../document/path.js';
import { ITEMS_PER_STEP, type Steps } from '../document/steps.js';
import type { PoolConfig, Server } from '../types.js';
import type { TransitionName } from './catalogue.js';
import type { ServerPlace } from './counterparts.js';
import { readingAfter } from './meaning.js';
import {
  configName,
  idsUnder,
  type PoolChange,
  placeOfPool,
  sameIds,
  sentence,
} from './pool-change.js';

/**
 * What becomes of the server IDs under each config that goes on being read. Lists that did not
 * change are compared as a whole, so that of a million IDs only those of changed lists are looked
 * up one by one. Where every list stays, that is all: under one config an ID has one owner.
 */
export function* findIdTransitions(change: PoolChange): Steps<void> {
  for (const old of change.before.configs) {
    if (old.state === 'quarantined') continue;
    const now = change.after.configs.find(({ id }) => id === old.id);
    if (now === undefined || now.state === 'quarantined') continue;
    if (readingAfter(old, now) !== 'same') continue;
    yield* underConfig(change, old, now);
  }
}

function* underConfig(change: PoolChange, old: PoolConfig, now: PoolConfig): Steps<void> {
  const { before, after, counterparts } = change;
  const changed: { readonly server: Server; readonly octets: Uint8Array }[] = [];
  const kept = new Set<Server>();
  for (const [index, server] of before.servers.entries()) {
    if (index % ITEMS_PER_STEP === 0) yield;
    const present = presentOf(change, server);
    const ids = idsUnder(server, old);
    const presentIds = present === undefined ? [] : idsUnder(present.server, now);
    if (present !== undefined && sameIds(ids, presentIds)) kept.add(present.server);
    else if (ids.length > 0) changed.push({ server, octets: packedIds(ids) });
  }
  if (changed.length === 0) return;

  const { serverIdLength } = old.codec;
  const owners = new IdTable<ServerPlace>(serverIdLength);
  for (const [index, server] of after.servers.entries()) {
    if (index % ITEMS_PER_STEP === 0) yield;
    if (kept.has(server)) continue;
    const octets = packedIds(idsUnder(server, now));
    yield* owners.add(
      { owner: { server, pool: after, index }, octets },
      () => {},
      () => {},
    );
  }
  let count = 0;
  for (const { server, octets } of changed) {
    const self = counterparts.servers.get(server)?.server;
    /** The first of the IDs that went to each other server, or to nobody, and their number. */
    const lost = new Map<ServerPlace | undefined, { readonly first: number; count: number }>();
    for (let at = 0; at < octets.length; at += serverIdLength) {
      if (++count % ITEMS_PER_STEP === 0) yield;
      const owner = owners.find(octets, at)?.owner;
      if (owner !== undefined && owner.server === self) continue;
      const known = lost.get(owner);
      if (known === undefined) lost.set(owner, { first: at, count: 1 });
      else known.count += 1;
    }
    for (const [owner, { first, count: number }] of lost) {
      const ids = () => {
        const id = toHex(octets.subarray(first, first + serverIdLength));
        return number === 1 ? `server ID ${id}` : `${number} server IDs (the first is ${id})`;
      };
      if (owner === undefined) tellRemoved(change, now, server, ids);
      else tellMoved(change, now, server, owner, ids);
    }
  }
}

function presentOf({ after, counterparts }: PoolChange, server: Server): ServerPlace | undefined {
  const present = counterparts.servers.get(server);
  return present?.pool === after ? present : undefined;
}

function tellMoved(
  { after, found }: PoolChange,
  config: PoolConfig,
  server: Server,
  owner: ServerPlace,
  ids: () => string,
): void {
  const path: Path = [
    ...placeOfPool(after),
    'servers',
    owner.index,
    'serverIds',
    String(config.id),
  ];
  const [name, consequence]: [TransitionName, string] =
    config.state === 'staged'
      ? ['staged-server-id-moved', '']
      : server.state === 'down'
        ? ['down-server-id-moved', ', which knows nothing of the nonces that were used']
        : [
            'server-id-moved',
            ', which gets the packets of the connections that are there, and knows nothing of the nonces that were used',
          ];
  found.add(name, after.name, path, () =>
    sentence(
      `${ids()} under ${configName(config, after)} ${ids().endsWith(')') ? 'go' : 'goes'} from server ${server.name} to server ${owner.server.name}${consequence}`,
    ),
  );
}

/** An ID that nobody has any more is news where its server is still there and has connections. */
function tellRemoved(
  change: PoolChange,
  config: PoolConfig,
  server: Server,
  ids: () => string,
): void {
  const { after, found } = change;
  const present = presentOf(change, server);
  if (present === undefined || config.state === 'staged') return;
  if (server.state === 'down' || present.server.state === 'down') return;
  const path: Path = [...placeOfPool(after), 'servers', present.index, 'serverIds'];
  found.add('server-ids-removed', after.name, path, () =>
    sentence(
      `server ${present.server.name} loses ${ids()} under ${configName(config, after)}, so CIDs with ${ids().endsWith(')') ? 'these' : 'it'} lead to no server any more`,
    ),
  );
}
