// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import { FleetPicture, removedAt } from '../../registry/etcd/fleet/index.js';
import {
  assembled,
  idValue,
  lastOfRun,
  readDesired,
  readValue,
} from '../../registry/etcd/index.js';
import type { Io } from '../io.js';
import type { SharedRegistry } from '../shared-registry.js';

/** A run of IDs, and what it is. */
export interface ListedIds {
  readonly config: number;
  readonly first: string;
  readonly last: string;
  readonly count: number;
  readonly state: 'owned' | 'at rest' | 'pinned' | 'reserved';
  /** The owner; the former one of IDs at rest; for whom they are kept. */
  readonly server?: string;
  /** Whether they were handed out, and not named by a document. */
  readonly allocated?: boolean;
  /** The revision of their removal, and for how many seconds they rested by then. */
  readonly removedAt?: number;
  readonly restedSeconds?: number;
  readonly why?: string;
}

export interface ListedPool {
  readonly pool: string;
  readonly ids: readonly ListedIds[];
}

/** @throws CidecarError ARGUMENT_INVALID for a pool that is not there */
export async function listIds(
  { client, keys, keyring }: SharedRegistry,
  only: string | undefined,
  schemes: Schemes,
): Promise<ListedPool[]> {
  const { entries } = await readDesired(client, keys);
  const { pools } = assembled(entries.values(), { keys, keyring, schemes });
  const fleet = new FleetPicture(keys, { parts: ['rests', 'pinned'] });
  const away = await Promise.all(fleet.prefixes.map((prefix) => client.kv.list(prefix)));
  fleet.begin(
    away[0]?.revision ?? 0,
    away.flatMap((each) => each.entries),
  );
  const names = [...pools].map(({ name }) => name);
  if (only !== undefined && !names.includes(only)) {
    throw new CidecarError('ARGUMENT_INVALID', `there is no pool ${only}`);
  }
  return names.sort().flatMap((pool) => {
    if (only !== undefined && pool !== only) return [];
    const ids: ListedIds[] = [];
    for (const entry of entries.values()) {
      const what = keys.parse(entry.key);
      if (what?.kind !== 'id' || what.pool !== pool) continue;
      const { server, count, allocated = false } = readValue(idValue, entry.key, entry.value);
      ids.push({ ...runOf(what.config, what.hex, count), state: 'owned', server, allocated });
    }
    for (const [config, hex, { value, ...entry }] of within(fleet.view.rests, pool)) {
      const { server, count, restedSeconds } = value;
      const rest = { server, removedAt: removedAt({ value, ...entry }), restedSeconds };
      ids.push({ ...runOf(config, hex, count), state: 'at rest', ...rest });
    }
    for (const [config, hex, { value }] of within(fleet.view.pinned, pool)) {
      const { server, count, why } = value;
      const state = server === undefined ? 'reserved' : 'pinned';
      const kept = { ...(server !== undefined && { server }), ...(why !== undefined && { why }) };
      ids.push({ ...runOf(config, hex, count), state, ...kept });
    }
    ids.sort((a, b) => a.config - b.config || (a.first < b.first ? -1 : 1));
    return [{ pool, ids }];
  });
}

function runOf(config: number, first: string, count: number) {
  return { config, first, last: lastOfRun(first, count) ?? first, count };
}

interface Table<Value> {
  readonly folders: Iterable<string>;
  in(folder: string): ReadonlyMap<string, Value>;
}

function* within<Value>(table: Table<Value>, pool: string): Generator<[number, string, Value]> {
  for (const folder of table.folders) {
    const [name, config] = folder.split('/');
    if (name !== pool) continue;
    for (const [hex, entry] of table.in(folder)) yield [Number(config), hex, entry];
  }
}

export function printIds(pools: readonly ListedPool[], io: Io): void {
  const rows = pools.flatMap(({ pool, ids }) =>
    ids.map((each) => [
      pool,
      String(each.config),
      each.count === 1 ? each.first : `${each.first}-${each.last}`,
      each.server ?? '-',
      each.state,
      describe(each),
    ]),
  );
  printTable([['POOL', 'CONFIG', 'ID', 'SERVER', 'STATE', ''], ...rows], io);
}

function describe({ state, allocated, restedSeconds, removedAt: revision, why }: ListedIds) {
  if (state === 'owned') return allocated ? 'handed out' : 'by the document';
  if (state === 'at rest') return `since revision ${revision}, ${restedSeconds} s noted`;
  return why ?? '';
}

function printTable(rows: readonly (readonly string[])[], io: Io): void {
  const widths =
    rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  for (const row of rows) {
    io.out(
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}
