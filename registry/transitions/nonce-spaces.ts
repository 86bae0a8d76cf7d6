// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import { IdTable } from '../document/id-table.js';
import { KeyMarks } from '../document/key-marks.js';
import { packedIds } from '../document/packed-ids.js';
import { ITEMS_PER_STEP, type Steps } from '../document/steps.js';
import type { DesiredState, Pool, PoolConfig, Server } from '../types.js';
import type { Counterparts } from './counterparts.js';
import type { Found } from './found.js';
import { readingAfter } from './meaning.js';
import { configName, idsUnder, placeOfPool, sameIds, sentence } from './pool-change.js';

interface Holder {
  readonly pool: Pool;
  readonly config: PoolConfig;
}

interface Space {
  readonly old: Holder[];
  readonly now: Holder[];
}

/**
 * Finds nonce spaces that go to another server by way of another config: of another ID, or of
 * another pool, with the same key and nonce length. A nonce must not be used twice under one key
 * and server ID, whatever the config ID (draft-ietf-quic-load-balancers-22, "CID Entropy"). IDs
 * that move under one config are those of server-ids.ts.
 */
export function* findNonceSpaceTransitions(
  before: DesiredState,
  after: DesiredState,
  counterparts: Counterparts,
  found: Found,
): Steps<void> {
  for (const { old, now } of (yield* spacesOf(before, after)).values()) {
    const others = now.filter((holder) =>
      old.some(
        ({ pool, config }) =>
          counterparts.pools.get(pool) !== holder.pool || config.id !== holder.config.id,
      ),
    );
    const [first] = old;
    if (others.length === 0 || first === undefined) continue;
    yield* compare(old, others, first.config.codec.serverIdLength, counterparts, found);
  }
}

function* compare(
  old: readonly Holder[],
  now: readonly Holder[],
  length: number,
  { pools, servers }: Counterparts,
  found: Found,
): Steps<void> {
  const owners = new IdTable<{ readonly holder: Holder; readonly server: Server }>(length);
  for (const holder of old) {
    for (const [index, server] of holder.pool.servers.entries()) {
      if (index % ITEMS_PER_STEP === 0) yield;
      const octets = packedIds(idsUnder(server, holder.config));
      yield* owners.add(
        { owner: { holder, server }, octets },
        () => {},
        () => {},
      );
    }
  }
  const formerPools = new Map([...pools].map(([former, present]) => [present, former]));
  const formerServers = new Map([...servers].map(([former, { server }]) => [server, former]));
  let count = 0;
  for (const holder of now) {
    const { pool, config } = holder;
    const before = formerConfig(holder, formerPools.get(pool));
    for (const [index, server] of pool.servers.entries()) {
      if (++count % ITEMS_PER_STEP === 0) yield;
      const ids = idsUnder(server, config);
      const former = formerServers.get(server);
      // What was so before was judged when it came.
      if (before && former && sameIds(idsUnder(former, before), ids)) continue;
      const octets = packedIds(ids);
      for (let at = 0; at < octets.length; at += length) {
        if (++count % ITEMS_PER_STEP === 0) yield;
        const owner = owners.find(octets, at)?.owner;
        if (owner === undefined || servers.get(owner.server)?.server === server) continue;
        if (owner.holder.config === before) continue;
        const place = [...placeOfPool(pool), 'servers', index, 'serverIds', String(config.id)];
        found.add('nonce-space-moved', pool.name, place, () =>
          sentence(
            `server ${server.name} has server ID ${toHex(octets.subarray(at, at + length))} under ${configName(config, pool)}, whose key is that of ${configName(owner.holder.config, owner.holder.pool)}, where server ${owner.server.name} had this ID: nonces can come again`,
          ),
        );
      }
    }
  }
}

/** What a config was before, where it had the same nonces. */
function formerConfig({ config }: Holder, former: Pool | undefined): PoolConfig | undefined {
  const same = former?.configs.find(({ id }) => id === config.id);
  return same && readingAfter(same, config) === 'same' ? same : undefined;
}

/** The encrypted configs of both states by what makes a nonce space of them, the ID apart. */
function* spacesOf(before: DesiredState, after: DesiredState): Steps<Map<string, Space>> {
  const marks = new KeyMarks();
  const spaces = new Map<string, Space>();
  const add = (
    state: DesiredState,
    side: 'old' | 'now',
    counts: (config: PoolConfig) => boolean,
  ) => {
    for (const pool of state.pools) {
      for (const config of pool.configs) {
        const { secrets, scheme, serverIdLength, nonceLength } = config.codec;
        if (secrets.length === 0 || !counts(config)) continue;
        const key = [
          scheme,
          serverIdLength,
          nonceLength,
          ...secrets.map((s) => marks.of(s)),
        ].join();
        const space = spaces.get(key) ?? { old: [], now: [] };
        space[side].push({ pool, config });
        spaces.set(key, space);
      }
    }
  };
  add(before, 'old', ({ state }) => state !== 'staged');
  yield;
  add(after, 'now', ({ state }) => state === 'minting' || state === 'staged');
  return spaces;
}
