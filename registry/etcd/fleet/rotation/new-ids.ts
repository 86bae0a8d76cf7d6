// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../../../core/index.js';
import { hexOf, type Interval, intervalOf } from '../../document/id-changes.js';
import { type ConfigValue, idValueText, type Keys } from '../../layout/index.js';
import type { PoolAssembly } from '../../store/pool-assembly.js';
import type { IdRun } from '../../store/run-table.js';
import type { PoolContents } from './contents.js';

/** A run of IDs that a server is to have under the new config. */
export interface NewRun {
  readonly key: string;
  readonly text: string;
  readonly server: string;
  /** The keys of its first and its last ID. */
  readonly first: string;
  readonly last: string;
}

/**
 * The IDs that servers are to have under a new config, besides those that they have already. They
 * have the same numbers as under the former one, where these fit and no config of the other kind
 * (clear, encrypted) has them; else the lowest numbers that are free. IDs that were handed out
 * are left to who hands them out.
 */
export function newIds(
  { pool, assembly }: PoolContents,
  from: number,
  to: { readonly id: number; readonly value: ConfigValue },
  { keys }: { readonly keys: Keys },
): NewRun[] | CidecarError {
  if (assembly === undefined) return [];
  const length = octetsOf(to.value);
  const digits = 2 * length;
  const served = new Set(assembly.ids.runsOf(to.id).map(({ server }) => server));
  const missing = assembly.ids
    .runsOf(from)
    .filter(
      ({ server, allocated }) =>
        !allocated && !served.has(server) && assembly.servers.get(server) !== undefined,
    );
  const taken = inOrder(takenBy(assembly, to, length));
  const most = (1n << BigInt(8 * length)) - 1n;
  const made: NewRun[] = [];
  const anew: IdRun[] = [];
  const add = (server: string, { first, last }: Interval) => {
    const count = Number(last - first) + 1;
    const hex = hexOf(first, digits);
    made.push({
      key: keys.id(pool, to.id, hex),
      text: idValueText({ server, count }),
      server,
      first: keys.id(pool, to.id, hex),
      last: keys.id(pool, to.id, hexOf(last, digits)),
    });
  };
  const kept: Interval[] = [];
  for (const run of missing) {
    const same = intervalOf(run.hex, run.count);
    if (same.last > most || meets(taken, same)) anew.push(run);
    else {
      kept.push(same);
      add(run.server, same);
    }
  }
  const { allocation } = assembly.value ?? {};
  if (allocation !== undefined) {
    const last = allocation.last ?? 2 ** Math.min(8 * length, 53) - 1;
    kept.push({ first: BigInt(allocation.first), last: BigInt(last) });
  }
  const all = inOrder([...taken, ...kept]);
  let next = 0;
  // ID 0 is one that Katran reserves.
  let first = 1n;
  for (const { server, count } of anew) {
    for (let each = all[next]; each !== undefined; each = all[next]) {
      if (each.first >= first + BigInt(count)) break;
      if (each.last >= first) first = each.last + 1n;
      next += 1;
    }
    const last = first + BigInt(count) - 1n;
    if (last > most) {
      return new CidecarError(
        'ARGUMENT_INVALID',
        `server IDs of ${length} octets are too few for the servers of pool ${pool}`,
      );
    }
    add(server, { first, last });
    first = last + 1n;
  }
  return made;
}

/** Octets of the server IDs of a config. */
function octetsOf({ shape }: ConfigValue): number {
  const { serverIdLength, version } = shape.values;
  return typeof serverIdLength === 'number' ? serverIdLength : Number(version) + 1;
}

function isEncrypted({ shape }: ConfigValue): boolean {
  return shape.values.keyFile !== undefined;
}

/** IDs under the new config, and those that it must not share with configs of the other kind. */
function takenBy(
  { configs, ids }: PoolAssembly,
  to: { readonly id: number; readonly value: ConfigValue },
  length: number,
): Interval[] {
  const others = configs.values.flatMap(([id, value]) =>
    isEncrypted(value) !== isEncrypted(to.value) && octetsOf(value) === length ? [id] : [],
  );
  return [...new Set([to.id, ...others])].flatMap((id) =>
    ids.runsOf(id).map(({ hex, count }) => intervalOf(hex, count)),
  );
}

function inOrder(intervals: readonly Interval[]): Interval[] {
  return [...intervals].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
}

/** @param sorted in their order; none of them meets another, or the last of those that do counts */
function meets(sorted: readonly Interval[], { first, last }: Interval): boolean {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.first ?? 0n) <= last) low = middle + 1;
    else high = middle;
  }
  // Those that begin after it do not meet it; of the others the last ones reach furthest.
  return sorted.slice(Math.max(0, low - 7), low).some((each) => each.last >= first);
}
