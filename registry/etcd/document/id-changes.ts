// SPDX-License-Identifier: Apache-2.0
import type { IdRun } from '../store/run-table.js';
import type { OwnedRun } from './wanted.js';

/** IDs from a first to a last one, as numbers of as many digits as a config's IDs have. */
export interface Interval {
  readonly first: bigint;
  readonly last: bigint;
}

/** A run to be made. */
export interface NewRun extends OwnedRun, Interval {}

/** A run to be taken away. */
export interface OldRun extends Interval {
  readonly run: IdRun;
  /** What of it nobody gets. */
  readonly freed: readonly Interval[];
}

/** Changes of IDs that belong into one transaction: else IDs in them had no owner for a while. */
export interface IdChange {
  readonly old: readonly OldRun[];
  readonly made: readonly NewRun[];
}

/**
 * What has to change so that servers own the IDs that a document gives them. Runs that are right
 * already stay, however they are cut. Those that allocation handed out stay too.
 *
 * @param present and `wanted` in the order of their IDs, of one length of digits
 */
export function idChanges(present: readonly IdRun[], wanted: readonly OwnedRun[]): IdChange[] {
  const there = present.map((run) => ({ ...intervalOf(run.hex, run.count), run }));
  const asked = wanted.map((run) => ({ ...intervalOf(run.hex, run.count), ...run }));
  const kept = new Set<IdRun>();
  const made: NewRun[] = [];
  let next = 0;
  for (const ask of asked) {
    while (next < there.length && (there[next]?.last ?? 0n) < ask.first) next += 1;
    let from = ask.first;
    for (let at = next; at < there.length; at += 1) {
      const has = there[at];
      if (has === undefined || has.first > ask.last) break;
      const { run } = has;
      if (run.server !== ask.server || has.first < from || has.last > ask.last) continue;
      kept.add(run);
      if (has.first > from) made.push(newRun(from, has.first - 1n, ask));
      from = has.last + 1n;
    }
    if (from <= ask.last) made.push(newRun(from, ask.last, ask));
  }
  const old = there.filter(({ run }) => !kept.has(run) && !run.allocated);
  return grouped(old, made);
}

function newRun(first: bigint, last: bigint, { server, hex }: OwnedRun): NewRun {
  const count = Number(last - first) + 1;
  return { first, last, server, count, hex: hexOf(first, hex.length) };
}

/** @param digits in hex */
export function hexOf(value: bigint, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

export function intervalOf(hex: string, count: number): Interval {
  const first = BigInt(`0x${hex}`);
  return { first, last: first + BigInt(count - 1) };
}

interface Present extends Interval {
  readonly run: IdRun;
}

/** Puts what overlaps into one group. */
function grouped(old: readonly Present[], made: readonly NewRun[]): IdChange[] {
  const all = [
    ...old.map((present) => ({ ...present, made: undefined })),
    ...made.map((run) => ({ first: run.first, last: run.last, made: run })),
  ];
  all.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const groups: { old: Present[]; made: NewRun[]; last: bigint }[] = [];
  for (const each of all) {
    let group = groups.at(-1);
    if (group === undefined || each.first > group.last) {
      group = { old: [], made: [], last: each.last };
      groups.push(group);
    }
    if (each.made === undefined) group.old.push(each);
    else group.made.push(each.made);
    if (each.last > group.last) group.last = each.last;
  }
  return groups.map((group) => ({
    made: group.made,
    old: group.old.map(({ first, last, run }) => {
      return { first, last, run, freed: without({ first, last }, group.made) };
    }),
  }));
}

/** What of an interval is in none of others, which are in order and do not overlap. */
export function without(whole: Interval, others: readonly Interval[]): Interval[] {
  const rest: Interval[] = [];
  let from = whole.first;
  for (const { first, last } of others) {
    if (last < from || first > whole.last) continue;
    if (first > from) rest.push({ first: from, last: first - 1n });
    from = last + 1n;
  }
  if (from <= whole.last) rest.push({ first: from, last: whole.last });
  return rest;
}
