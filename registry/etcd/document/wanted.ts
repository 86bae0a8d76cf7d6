// SPDX-License-Identifier: Apache-2.0
import type { Secret } from '../../../core/index.js';
import type { ParsedDocument } from '../../document/document.js';
import { readKey } from '../../document/keys.js';
import { packedIds } from '../../document/packed-ids.js';
import type { ConfigShape, PoolShape, ServerShape } from '../../document/shape.js';
import type { Allocation, Pool } from '../../types.js';
import { idAfter, type Run, runsOf } from '../layout/id-run.js';
import { keyFileFields, keyFileIn } from '../layout/values/config.js';
import type { PoolValue, ServerValue } from '../layout/values/desired.js';

/** A run of IDs, and whose it is. */
export interface OwnedRun extends Run {
  readonly server: string;
}

export interface WantedConfig {
  readonly id: number;
  readonly shape: ConfigShape;
  /** By the fields that name their files. */
  readonly keys: ReadonlyMap<string, Secret>;
}

/** What a document asks for, as values of keys. */
export interface WantedPool {
  readonly name: string;
  readonly value: PoolValue;
  readonly configs: readonly WantedConfig[];
  readonly servers: ReadonlyMap<string, ServerValue>;
  /** By config, in the order of the IDs. */
  readonly runs: ReadonlyMap<number, readonly OwnedRun[]>;
}

/** @param keyFiles content by the name that the document gives */
export function wantedPools(
  { shape, state }: ParsedDocument,
  keyFiles: ReadonlyMap<string, string>,
): WantedPool[] {
  return state.pools.map((pool) => {
    const fields = shape.pools[pool.name];
    if (fields === undefined) throw new Error('a pool of a document has its fields');
    return {
      name: pool.name,
      value: poolValueOf(fields),
      configs: pool.configs.map(({ id }, index) => {
        const config = fields.configs[index];
        if (config === undefined) throw new Error('a config of a document has its fields');
        return { id, shape: config, keys: keysOf(config, keyFiles) };
      }),
      servers: new Map(fields.servers.map((server) => [server.name, serverValueOf(server)])),
      runs: runsIn(pool),
    };
  });
}

function poolValueOf({ vips, allocation, rotation, health }: PoolShape): PoolValue {
  return {
    vips,
    ...(allocation && { allocation }),
    ...(rotation && { rotation }),
    ...(health && { health }),
  };
}

function serverValueOf({ name: _, serverIds: __, ...fields }: ServerShape): ServerValue {
  return fields;
}

function keysOf(
  shape: ConfigShape,
  keyFiles: ReadonlyMap<string, string>,
): ReadonlyMap<string, Secret> {
  const keys = new Map<string, Secret>();
  for (const field of keyFileFields(shape.scheme)) {
    const file = keyFileIn(shape, field);
    if (file !== undefined) keys.set(field, readKey(keyFiles.get(file) ?? '', file));
  }
  return keys;
}

/** The highest number that is handed out. */
const HIGHEST_ALLOCATED = 2 ** 32 - 1;

function runsIn({ configs, servers, allocation }: Pool): ReadonlyMap<number, readonly OwnedRun[]> {
  const lengths = new Map(configs.map(({ id, codec }) => [id, codec.serverIdLength]));
  const runs = new Map<number, OwnedRun[]>();
  for (const { name, serverIds } of servers) {
    for (const [config, ids] of serverIds) {
      const length = lengths.get(config);
      if (length === undefined || ids.length === 0) continue;
      const all = runs.get(config) ?? [];
      runs.set(config, all);
      for (const run of runsOf(inOrder(ids, length), length)) {
        for (const part of allocation === undefined ? [run] : singlesIn(run, allocation)) {
          all.push({ ...part, server: name });
        }
      }
    }
  }
  for (const all of runs.values()) all.sort((a, b) => (a.hex < b.hex ? -1 : 1));
  return runs;
}

/** The IDs of a list one after the other, in the order of their octets. */
function inOrder(ids: readonly Uint8Array[], length: number): Uint8Array {
  const octets = packedIds(ids);
  const sorted = ids.every((id, at) => {
    const next = ids[at + 1];
    return next === undefined || Buffer.compare(id, next) < 0;
  });
  if (sorted) return octets;
  const all: Uint8Array[] = [];
  for (let at = 0; at < octets.length; at += length) all.push(octets.subarray(at, at + length));
  return Buffer.concat(all.sort(Buffer.compare));
}

/**
 * A run as it is where IDs are handed out: inside of the range of allocation each ID is a key of
 * its own. So whoever hands out an ID sees that it has an owner by that one key, even if the owner
 * came a moment ago.
 */
function* singlesIn(run: Run, { first, last = Number.POSITIVE_INFINITY }: Allocation) {
  let next = run.hex;
  let left = run.count;
  while (left > 0) {
    const number = Number.parseInt(next, 16);
    const inside = number >= first && number <= last && number <= HIGHEST_ALLOCATED;
    // Below the range it goes on to its beginning; above it, to the end.
    const count = inside ? 1 : number < first ? Math.min(left, first - number) : left;
    yield { hex: next, count };
    left -= count;
    next = idAfter(next, count) ?? next;
  }
}
