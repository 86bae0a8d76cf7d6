// SPDX-License-Identifier: Apache-2.0
import { decideReclaim, reclaimTransaction } from '../../../registry/etcd/fleet/index.js';
import { readValue, serverValue } from '../../../registry/etcd/layout/index.js';
import type { DutyContext, DutyStep } from './duty.js';

/** Takes IDs back from servers whose hold is over. */
export async function reclaim(context: DutyContext): Promise<DutyStep | undefined> {
  const { keys, picture, view, on, clocks, log, read, event } = context;
  const { pool, usage } = picture;
  const due = decideReclaim({ pool, usage, view }, clocks);
  if (due === undefined) return undefined;
  const { server, ids } = due;
  const entry = await read(keys.server(pool.name, server));
  const registered =
    entry !== undefined && readValue(serverValue, entry.key, entry.value).registered === true;
  const changes = [`the hold of server ${server} is over: ${ids.length} IDs are at rest`];
  const recorded = await event({ what: 'reclaim', changes });
  return {
    task: 'reclaim',
    what: `reclaim of the IDs of server ${server}`,
    transaction: reclaimTransaction(keys, { ...due, registered }, on, recorded),
    done: () => {
      const fields = { pool: pool.name, server, ids: ids.length };
      log.warn(fields, 'a server gave no sign of life for its hold: its IDs are at rest');
    },
  };
}
