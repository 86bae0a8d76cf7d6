// SPDX-License-Identifier: Apache-2.0
import {
  type Condition,
  type Operation,
  put,
  rangeUnchanged,
  type Transaction,
  unchanged,
} from '../client/index.js';
import { type Keys, transaction, valueText } from '../layout/index.js';
import { type Grant, requestAfter } from './allocation.js';
import { inTerm, type Term } from './controller.js';

/** What a controller decided on, as far as a transaction has to compare it. */
export interface DecidedOn {
  readonly term: Term;
  /** Of the desired state: the number in its revision. */
  readonly desiredRevision: number;
  /** Of the view of the fleet. */
  readonly viewRevision: number;
  /** Who does it, for people: `lb-agent lb-1`. */
  readonly by: string;
}

/**
 * That the desired state is the one that was seen. In one comparison: no ID that looked free has
 * an owner now (ABSENT), the pool and its range are as they were (POOL_SEEN), no run was made
 * over an ID (RUN_RANGE), configs and servers are as they were.
 */
export function desiredIs(keys: Keys, revision: number): Condition {
  return unchanged(keys.revision, revision);
}

/** AT_REST: no ID of the pool was put to rest, pinned or reserved since the view was made. */
export function nothingPutAway(keys: Keys, pool: string, viewRevision: number): Condition[] {
  return [
    rangeUnchanged(keys.rest(pool), viewRevision),
    rangeUnchanged(keys.pinned(pool), viewRevision),
  ];
}

/** GRANT and IDENTITY: the request is the one that was seen. */
export function requestsSeen(grants: readonly Pick<Grant, 'request'>[]): Condition[] {
  return grants.map(({ request }) => unchanged(request.key, request.modRevision));
}

/** Hands out what was decided, all of it or nothing. */
export function grantTransaction(
  keys: Keys,
  pool: string,
  grants: readonly Grant[],
  on: DecidedOn,
  more: readonly Operation[] = [],
): Transaction {
  return transaction(keys, on.by, {
    when: [
      inTerm(keys, on.term),
      desiredIs(keys, on.desiredRevision),
      ...nothingPutAway(keys, pool, on.viewRevision),
      ...requestsSeen(grants),
    ],
    success: [...grants.flatMap((grant) => grantOperations(keys, pool, grant)), ...more],
  });
}

/** The keys of one grant: the server, its IDs, and the request that says what it got. */
export function grantOperations(keys: Keys, pool: string, grant: Grant): Operation[] {
  const { server, request, isNew, ids } = grant;
  const { address, weight, encapsulation } = request.value;
  const fields = {
    address,
    ...(weight !== undefined && { weight }),
    ...(encapsulation !== undefined && { encapsulation }),
  };
  const idText = valueText({ server, allocated: true });
  return [
    ...(isNew ? [put(keys.server(pool, server), valueText({ ...fields, registered: true }))] : []),
    ...ids.flatMap(({ config, hexes }) =>
      hexes.map((hex) => put(keys.id(pool, config.id, hex), idText)),
    ),
    put(request.key, valueText(requestAfter(grant))),
  ];
}
