// SPDX-License-Identifier: Apache-2.0
import type { Event, WatchResponse } from '../../../proto/gen/etcdserverpb/etcd.js';

/**
 * Puts together what etcd sent in several messages because it is large. A transaction may lie
 * across them, so nothing of it counts before the last one is there.
 */
export class Fragments {
  #events: Event[] = [];

  /** All events of the message that ends with this one; undefined while more is to come. */
  add({ events, fragment }: WatchResponse): readonly Event[] | undefined {
    if (this.#events.length === 0) this.#events = events;
    else for (const event of events) this.#events.push(event);
    if (fragment) return undefined;
    const whole = this.#events;
    this.#events = [];
    return whole;
  }
}
