// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../../../cid/index.js';
import { CidecarError } from '../../../../core/index.js';
import { isLossy, type Transition, transitions } from '../../../transitions/index.js';
import type { DesiredState } from '../../../types.js';
import type { KeyValue } from '../../client/index.js';
import type { Keys } from '../../layout/index.js';
import type { Keyring } from '../../store/keyring.js';
import type { PoolAssembly } from '../../store/pool-assembly.js';
import { assembled, stateOf } from '../../store/read-once.js';

/** Everything of one pool that makes the desired state, at one revision. */
export interface PoolContents {
  readonly pool: string;
  readonly entries: ReadonlyMap<string, KeyValue>;
  /** Of the last change of the desired state of all pools; 0 where there is none. */
  readonly desiredRevision: number;
  readonly assembly: PoolAssembly | undefined;
  /** The pool alone, or what is wrong with it. */
  readonly state: DesiredState | CidecarError;
}

export interface ContentsOptions {
  readonly keys: Keys;
  readonly keyring: Keyring;
  readonly schemes?: Schemes;
}

/** @param entries the keys of the pool, and that of the revision */
export function contentsOf(
  pool: string,
  entries: readonly KeyValue[],
  options: ContentsOptions,
): PoolContents {
  const { keys } = options;
  const own = entries.filter(({ key }) => key.startsWith(keys.allOf(pool)));
  const revision = entries.find(({ key }) => key === keys.revision);
  const assembly = assembled(own, options);
  const state = stateOf(assembly);
  return {
    pool,
    entries: new Map(own.map((entry) => [entry.key, entry])),
    desiredRevision: revision?.modRevision ?? 0,
    assembly: assembly.pools.find(({ name }) => name === pool),
    state,
  };
}

/** A key and the text that is to be put there. */
export type Written = readonly [key: string, text: string];

/**
 * What a change of a pool would lose, or why it is not valid.
 *
 * @param written by key
 */
export function consequences(
  { entries, state }: PoolContents,
  written: readonly Written[],
  options: ContentsOptions,
): readonly Transition[] | CidecarError {
  if (state instanceof CidecarError) return state;
  const after = new Map<string, { key: string; value: Buffer; modRevision: number }>(entries);
  const later = 1 + latest(entries);
  for (const [key, text] of written) {
    after.set(key, { key, value: Buffer.from(text), modRevision: later });
  }
  const changed = stateOf(assembled(after.values(), options));
  if (changed instanceof CidecarError) return changed;
  return transitions(state, changed).filter(isLossy);
}

function latest(entries: ReadonlyMap<string, KeyValue>): number {
  let found = 0;
  for (const { modRevision } of entries.values()) found = Math.max(found, modRevision);
  return found;
}
