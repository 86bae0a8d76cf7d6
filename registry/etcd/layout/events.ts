// SPDX-License-Identifier: Apache-2.0
import { randomInt } from 'node:crypto';
import { type EtcdClient, type Operation, put } from '../client/index.js';
import type { Keys } from './keys.js';
import { valueText } from './read-value.js';
import type { EventValue } from './values/event.js';

/** Seconds for which events are kept: 30 days. */
export const EVENTS_KEPT = 30 * 86_400;

/** Events of one revision that can be told apart. */
const PER_REVISION = 1000;

/**
 * A key for an event. Where two are made on one revision it is hardly ever the same.
 *
 * @param seen a revision of etcd that the writer has seen; by it events are in order
 */
export function newEventKey(keys: Keys, seen: number): string {
  return keys.event(seen * PER_REVISION + randomInt(PER_REVISION));
}

/**
 * An event as an operation of the transaction that it tells of.
 *
 * @param seen a revision of etcd that the writer has seen; by it events are in order
 * @param lease of {@link leaseForEvents}
 */
export function eventPut(keys: Keys, seen: number, lease: string, event: EventValue): Operation {
  return put(newEventKey(keys, seen), valueText(event), lease);
}

/** A lease that nobody keeps alive, for events; its ID. */
export function leaseForEvents(client: EtcdClient, seconds = EVENTS_KEPT): Promise<string> {
  return new Promise((resolve, reject) => {
    const lease = client.lease(
      { ttl: seconds },
      {
        onGranted: (id) => {
          lease.close();
          resolve(id);
        },
        onTrouble: (error) => {
          lease.close();
          reject(error);
        },
      },
    );
  });
}
