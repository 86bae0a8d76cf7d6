// SPDX-License-Identifier: Apache-2.0
import { noteQuarantines } from '../../../registry/etcd/fleet/index.js';
import type { DutyContext, DutyStep } from './duty.js';

/** Says for how long configs have been in quarantine, which decides when they can be removed. */
export async function quarantines(context: DutyContext): Promise<DutyStep | undefined> {
  const { keys, picture, view, clocks, on, revisionOf } = context;
  const { pool } = picture;
  const revisions = new Map<number, number>();
  for (const config of pool.configs.filter(({ state }) => state === 'quarantined')) {
    const revision = await revisionOf(config);
    if (revision !== undefined) revisions.set(config.id, revision);
  }
  const transaction = noteQuarantines(keys, pool, revisions, { view, clocks, term: on.term });
  const what = `quarantines of pool ${pool.name}`;
  return transaction && { task: 'quarantines', what, transaction };
}
