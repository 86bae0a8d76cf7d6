// SPDX-License-Identifier: Apache-2.0
import {
  decideAllocation,
  fillOf,
  type Grant,
  grantTransaction,
  levelOf,
  TRANSACTION_ROOM,
} from '../../../registry/etcd/fleet/index.js';
import type { DutyContext, DutyStep } from './duty.js';

/** Puts servers that registered themselves into the pool, and hands out IDs. */
export async function handOut(context: DutyContext): Promise<DutyStep | undefined> {
  const { keys, picture, on, log, said, event } = context;
  const pool = picture.pool.name;
  const { grants, unmet } = decideAllocation(picture);
  for (const { server, reason } of unmet) {
    if (!said.isNews(reason, `${pool} request ${server}`)) continue;
    log.error({ pool, server, reason }, 'a server does not get what it asks for');
  }
  tellFill(context);
  context.counts.unmet(pool, unmet.length);
  if (grants.length === 0) return undefined;
  // Each transaction is a state that every host of the fleet takes. The first request is met at
  // once, and those that come with it together.
  if (grants.length < TRANSACTION_ROOM.grants && !context.isPaced(pool)) return undefined;
  const recorded = await event({ what: 'allocate', changes: grants.map(inWords) });
  return {
    task: 'allocation',
    what: `allocation of IDs of pool ${pool}`,
    transaction: grantTransaction(keys, pool, grants, on, recorded),
    done: () => {
      for (const grant of grants) log.info({ pool, server: grant.server }, inWords(grant));
      context.counts.granted(
        pool,
        grants.flatMap(({ ids }) => ids.flatMap(({ hexes }) => hexes)),
      );
    },
  };
}

function inWords({ server, isNew, ids }: Grant): string {
  const parts = ids.map(({ config, hexes }) => {
    const [first = '', ...more] = hexes;
    const shown = more.length === 0 ? first : `${first} and ${more.length} more`;
    return `${shown} under config ${config.id}`;
  });
  const got = parts.length === 0 ? 'no ID' : parts.join(', ');
  return `${isNew ? 'registered' : 'more IDs for'} server ${server}: ${got}`;
}

/** A pool whose IDs run out is told before they have. */
function tellFill({ picture, log, said, counts }: DutyContext): void {
  const pool = picture.pool.name;
  const fills = fillOf(picture);
  counts.fill(pool, fills);
  for (const fill of fills) {
    const level = levelOf(fill);
    const topic = `${pool} fill ${fill.config.id}`;
    if (level === undefined) {
      said.over(topic);
      continue;
    }
    if (!said.isNews(level, topic)) continue;
    const { size, owned, away } = fill;
    const fields = { pool, configId: fill.config.id, size, owned, away };
    if (level === 100) log.error(fields, 'no ID of the pool is free: new servers get none');
    else log.warn(fields, `${level} % of the IDs of the pool are taken`);
  }
}
