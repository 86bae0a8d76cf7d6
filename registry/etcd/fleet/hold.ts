// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../../core/index.js';
import type { Server } from '../../types.js';
import type { Operation, Transaction } from '../client/index.js';
import { unchanged } from '../client/index.js';
import { type Keys, type RequestValue, transaction } from '../layout/index.js';
import type { Clocks } from './clocks.js';
import { inTerm } from './controller.js';
import type { Entry } from './fleet-table.js';
import type { FleetView } from './fleet-view.js';
import { type DecidedOn, desiredIs } from './grant.js';
import type { PoolPicture } from './pool-picture.js';
import { isSilent, type Leaving, leaveOperations, type ReleasedId } from './registration.js';

// A server keeps its IDs for the pool's hold after its last sign of life. Only such servers lose
// them whose sidecars know that: they stop issuing before (fence.ts), and say the hold that they
// go by in their request. Where it is longer than the pool's, because the pool's was lowered
// while they were away, the longer one counts.

/** IDs of one transaction; two operations each. */
const IDS_AT_ONCE = 50;

/** A server whose hold is over; whether it registered itself is to be read. */
export type Reclaim = Omit<Leaving, 'registered'>;

/** The next server whose hold is over; its clock begins with the first call that misses it. */
export function decideReclaim(
  picture: Pick<PoolPicture, 'pool' | 'usage'> & { readonly view: FleetView },
  clocks: Clocks,
): Reclaim | undefined {
  const { pool, view } = picture;
  const hold = pool.allocation?.hold;
  if (hold === undefined) return undefined;
  const live = view.liveServers.in(pool.name);
  const prefix = `hold ${pool.name}/`;
  const requests = view.requests.in(pool.name);
  clocks.retain((what) => {
    if (!what.startsWith(prefix)) return true;
    const server = what.slice(prefix.length);
    return requests.has(server) && !live.has(server);
  });
  let found: Reclaim | undefined;
  for (const [server, request] of requests) {
    if (live.has(server)) continue;
    // RETURN_SEEN: a request that was rewritten is one of a server that came back since.
    const elapsed = clocks.elapsed(`${prefix}${server}`, request.modRevision);
    const own = request.value.hold;
    if (own === undefined) continue;
    const over = elapsed >= 1000 * Math.max(hold, own) || request.value.reclaimed === true;
    if (over) found ??= reclaimOf(picture, server, request);
  }
  return found;
}

function reclaimOf(
  { pool, usage, view }: Pick<PoolPicture, 'pool' | 'usage'> & { readonly view: FleetView },
  server: string,
  request: Entry<RequestValue>,
): Reclaim {
  const all = allocatedIds(request.value, usage.server(server));
  const ids = all.slice(0, IDS_AT_ONCE);
  const marks = pool.configs
    .map(({ id }) => id)
    .filter((id) => view.uses.in(`${pool.name}/${id}`).has(server));
  const last = ids.length === all.length;
  const { identity } = request.value;
  return { pool: pool.name, server, identity, request, ids, last, marks };
}

/** The IDs of a server that were handed out, as far as it has them still. */
export function allocatedIds(
  { granted }: Pick<RequestValue, 'granted'>,
  present: Server | undefined,
): ReleasedId[] {
  return [...(present?.serverIds ?? [])].flatMap(([config, ids]) => {
    const handedOut = new Set(granted[String(config)]);
    return ids.flatMap((id) => {
      const hex = toHex(id);
      return handedOut.has(hex) ? [{ config, hex, count: 1 }] : [];
    });
  });
}

/** Takes back what a server had that gave no sign of life for its hold. */
export function reclaimTransaction(
  keys: Keys,
  reclaim: Leaving,
  on: DecidedOn,
  more: readonly Operation[] = [],
): Transaction {
  const { request } = reclaim;
  return transaction(keys, on.by, {
    when: [
      inTerm(keys, on.term),
      desiredIs(keys, on.desiredRevision),
      isSilent(keys, reclaim),
      unchanged(request.key, request.modRevision),
    ],
    success: [...leaveOperations(keys, reclaim), ...more],
  });
}
