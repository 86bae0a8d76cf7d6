// SPDX-License-Identifier: Apache-2.0
import { Found, type Transition } from '../../transitions/index.js';
import type { EtcdClient } from '../client/index.js';
import { lastOfRun } from '../layout/id-run.js';
import type { Keys } from '../layout/keys.js';
import { readValue } from '../layout/read-value.js';
import { type RestValue, restValue } from '../layout/values/ids.js';
import type { IdRun } from '../store/run-table.js';
import { hexOf, intervalOf, type NewRun, without } from './id-changes.js';
import type { WantedPool } from './wanted.js';

/** A run of IDs in quarantine; `server` is the former owner. */
export interface RestingRun extends IdRun {
  /** The revision at which the IDs were taken from their owner. */
  readonly removedAt: number;
  readonly restedSeconds: number;
}

export type RestingIds = (pool: string, config: number) => readonly RestingRun[];

/**
 * IDs in quarantine of the pools that a document has, those of pools too that hand out none any
 * more: what rests still rests.
 */
export async function readResting(
  wanted: readonly WantedPool[],
  client: EtcdClient,
  keys: Keys,
): Promise<RestingIds> {
  const all = new Map<string, RestingRun[]>();
  for (const { name } of wanted) {
    const { entries } = await client.kv.list(keys.rest(name));
    for (const entry of entries) {
      const at = keys.parseIdAway(entry.key);
      if (at === undefined) continue;
      const value = readValue(restValue, entry.key, entry.value);
      const { server, count, restedSeconds, removedAt = entry.createRevision } = value;
      const { hex } = at;
      const last = lastOfRun(hex, count) ?? hex;
      const run = { key: entry.key, hex, last, count, server, allocated: false };
      const folder = keys.rest(name, at.config);
      all.set(folder, [...(all.get(folder) ?? []), { ...run, removedAt, restedSeconds }]);
    }
  }
  return (pool, config) => all.get(keys.rest(pool, config)) ?? [];
}

/** What owners of new runs leave of a run at rest. */
export interface LeftAtRest {
  /** Whether the key of the run stays, perhaps with another value. */
  readonly stays: boolean;
  /** To be put; none where nothing of the run is taken. */
  readonly kept: readonly { readonly hex: string; readonly value: RestValue }[];
}

/** What is owned again rests no more; what is left of its run goes on to rest. */
export function outOfRest(rest: RestingRun, made: readonly NewRun[]): LeftAtRest {
  const whole = intervalOf(rest.hex, rest.count);
  const fits = made.some(({ hex }) => hex.length === rest.hex.length);
  const taken = made.filter(({ first, last }) => first <= whole.last && last >= whole.first);
  if (!fits || taken.length === 0) return { stays: true, kept: [] };
  const left = without(whole, taken);
  const { server, removedAt, restedSeconds } = rest;
  return {
    stays: left.some(({ first }) => first === whole.first),
    kept: left.map(({ first, last }) => {
      const count = Number(last - first) + 1;
      const value = { server, count, removedAt, restedSeconds };
      return { hex: hexOf(first, rest.hex.length), value };
    }),
  };
}

/**
 * IDs at rest that a document gives to another server than their former owner. Until the rest is
 * over, agents may route them to the former owner, and connections may have their CIDs.
 */
export function restingTransitions(
  wanted: readonly WantedPool[],
  resting: RestingIds,
): Transition[] {
  const found = new Found();
  for (const { name, runs, servers } of wanted) {
    const indices = new Map([...servers.keys()].map((server, index) => [server, index]));
    for (const [config, list] of runs) {
      // Both are in the order of their IDs, and neither overlaps itself.
      const rests = resting(name, config).filter(({ hex }) => hex.length === list[0]?.hex.length);
      let from = 0;
      for (const { hex, count, server } of list) {
        const asked = intervalOf(hex, count);
        while (from < rests.length && endOf(rests[from]) < asked.first) from += 1;
        for (const rest of rests.slice(from)) {
          const there = intervalOf(rest.hex, rest.count);
          if (there.first > asked.last) break;
          if (rest.server === server) continue;
          const id = there.first > asked.first ? rest.hex : hex;
          const path = ['pools', name, 'servers', indices.get(server) ?? 0, 'serverIds', config];
          found.add('resting-server-id-given', name, path, () => {
            return `Server ID ${id} of pool ${name}, config ${config}, goes to ${server} while it is at rest since it was taken from ${rest.server}: agents may still route it to ${rest.server}, and connections may have its CIDs.`;
          });
        }
      }
    }
  }
  return found.transitions;
}

function endOf(run: RestingRun | undefined): bigint {
  return run === undefined ? 0n : intervalOf(run.hex, run.count).last;
}
