// SPDX-License-Identifier: Apache-2.0
import type { PoolConfig } from '../../types.js';
import {
  absent,
  type Condition,
  get,
  MAX_NESTING,
  MAX_OPERATIONS,
  nested,
  type Operation,
  type Transaction,
  unchanged,
} from '../client/index.js';
import { type Keys, transaction } from '../layout/index.js';
import type { Grant } from './allocation.js';
import type { SeenKey } from './gate.js';
import { grantOperations, nothingPutAway, requestsSeen } from './grant.js';
import { rivalsOf } from './id-numbers.js';

// While a pool has no controller, a sidecar helps itself: in one transaction it takes the first
// of several grants whose IDs are all free. Many who do so at once begin at random places, so
// that they seldom meet; IDs then have gaps. What it decides on is compared key by key and not
// by the revision of the desired state, because all others change that.

export interface ChainOn {
  readonly pool: string;
  readonly configs: readonly PoolConfig[];
  /** Keys of the pool, its configs and the server, as they were seen. */
  readonly seen: readonly SeenKey[];
  /** Of the picture: no ID was put to rest, pinned or reserved since. */
  readonly viewRevision: number;
  /** Keys under which other pools would have the server. */
  readonly elsewhere: readonly string[];
  readonly by: string;
}

/** How many candidates like this one fit into one chain. */
export function chainLength(keys: Keys, on: ChainOn, candidate: Grant): number {
  // The limit holds for the operations of each level and all levels below it together.
  const outer = outerConditions(keys, on, candidate).length;
  const each = Math.max(
    freeConditions(keys, on, candidate).length,
    grantOperations(keys, on.pool, candidate).length + 1,
  );
  return Math.min(MAX_NESTING - 1, Math.floor((MAX_OPERATIONS - outer) / each));
}

/**
 * Takes the first candidate that is free. Each is for the same request, and as large as the
 * others. The last result is the request, in which stands what it was granted, by this
 * transaction or by one before it: one whose answer was lost is read back there.
 */
export function chainTransaction(
  keys: Keys,
  on: ChainOn,
  candidates: readonly [Grant, ...Grant[]],
): Transaction {
  const [first] = candidates;
  const used = candidates.slice(0, chainLength(keys, on, first));
  if (used.length === 0) throw new RangeError('a grant is too large for a transaction');
  const chain = used.reduceRight<Operation[]>(
    (otherwise, candidate) => [
      nested(
        transaction(keys, on.by, {
          when: freeConditions(keys, on, candidate),
          success: grantOperations(keys, on.pool, candidate),
          failure: otherwise,
        }),
      ),
    ],
    [],
  );
  const request = get(first.request.key);
  return {
    when: outerConditions(keys, on, first),
    success: [...chain, request],
    failure: [request],
  };
}

function outerConditions(keys: Keys, on: ChainOn, candidate: Grant): Condition[] {
  return [
    // While there is a controller it hands out, so that IDs are dense.
    absent(keys.controller(on.pool)),
    ...requestsSeen([candidate]),
    // POOL_SEEN: inside the range a key is one ID, so ABSENT sees every owner.
    ...on.seen.map(({ key, modRevision }) => unchanged(key, modRevision)),
    ...nothingPutAway(keys, on.pool, on.viewRevision),
    ...on.elsewhere.map((key) => absent(key)),
  ];
}

/** ABSENT, also under configs with which no ID may be shared. */
function freeConditions(keys: Keys, { pool, configs }: ChainOn, { ids }: Grant): Condition[] {
  return ids.flatMap(({ config, hexes }) => {
    const places = [config, ...rivalsOf(config, { configs })];
    return hexes.flatMap((hex) => places.map(({ id }) => absent(keys.id(pool, id, hex))));
  });
}
