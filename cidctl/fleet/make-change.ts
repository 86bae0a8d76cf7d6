// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import type { Transaction } from '../../registry/etcd/client/index.js';
import {
  type EventValue,
  leaseForEvents,
  newEventKey,
  transaction,
  valueText,
} from '../../registry/etcd/layout/index.js';
import type { SharedRegistry } from '../shared-registry.js';

/** What an operator changes, in one transaction. */
export interface Change {
  /** What was done, in one word, for the event: `drain`. */
  readonly what: string;
  readonly pool?: string;
  /** In words. */
  readonly changes: readonly string[];
  readonly forced?: readonly string[];
  readonly when: Transaction['when'];
  readonly success: Transaction['success'];
}

/**
 * Makes a change together with the event that records it. The event tells this transaction from
 * all others, so a lost answer does no harm.
 *
 * @param seen the revision of etcd that it was decided on
 * @returns the revision at which it was made; undefined where something is not as it was seen
 */
export async function makeChange(
  { client, keys, by }: SharedRegistry,
  seen: number,
  { what, pool, changes, forced = [], when, success }: Change,
): Promise<number | undefined> {
  const event: EventValue = {
    ...{ by, what, changes: [...changes], forced: [...forced] },
    ...{ at: new Date().toISOString(), seen },
    ...(pool !== undefined && { pool }),
  };
  const lease = await leaseForEvents(client);
  const parts = transaction(keys, by, { when, success });
  const mark = { key: newEventKey(keys, seen), value: valueText(event), lease, before: 0 };
  const result = await client.transact({ what, mark, ...parts });
  return result.done ? result.revision : undefined;
}

/** Times that a change is decided anew because something else changed meanwhile. */
const TRIES = 30;

/**
 * Decides and makes a change, anew for as long as only other things changed meanwhile.
 *
 * @param attempt decides on what is there now; undefined where its transaction did not hold
 */
export async function untilMade<Result>(
  attempt: () => Promise<Result | undefined>,
): Promise<Result> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const result = await attempt();
    if (result !== undefined) return result;
  }
  throw new CidecarError('REGISTRY_CHANGED', 'the registry changes all the time');
}
