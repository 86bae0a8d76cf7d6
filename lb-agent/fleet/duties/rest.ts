// SPDX-License-Identifier: Apache-2.0
import {
  decideRest,
  describeWaiting,
  freeTransaction,
  saveTransaction,
} from '../../../registry/etcd/fleet/index.js';
import type { DutyContext, DutyStep } from './duty.js';

/** Frees IDs that have rested, and saves how long the others have. */
export async function rest(context: DutyContext): Promise<DutyStep | undefined> {
  const { keys, picture, view, on, clocks } = context;
  const { pool } = picture;
  const decision = decideRest(pool, view, clocks);
  const { free, save } = decision;
  tellWaiting(context, decision);
  if (free.length > 0) {
    return {
      task: 'rest',
      what: `freeing of IDs of pool ${pool.name}`,
      transaction: freeTransaction(keys, view, free, on),
      done: () =>
        context.log.info(
          { pool: pool.name, ids: free.map(({ config, hex }) => `${config}/${hex}`) },
          'IDs are free again',
        ),
    };
  }
  if (save.length === 0) return undefined;
  return {
    task: 'rest',
    what: `saving of rests of pool ${pool.name}`,
    transaction: saveTransaction(keys, save, on.term),
  };
}

function tellWaiting(
  { picture: { pool }, log, said }: DutyContext,
  { agents, owners }: ReturnType<typeof decideRest>,
): void {
  const topic = `${pool.name} rest`;
  if (agents.length === 0 && owners.length === 0) {
    said.over(topic);
    return;
  }
  const whom = [
    ...(agents.length === 0 ? [] : [`${describeWaiting(agents)} to acknowledge their removal`]),
    ...(owners.length === 0 ? [] : [`the sidecars of ${owners.join(', ')} to stop issuing them`]),
  ].join(', and for ');
  if (said.isNews(whom, topic)) {
    log.warn({ pool: pool.name }, `IDs have rested, and are not free yet: waiting for ${whom}`);
  }
}
