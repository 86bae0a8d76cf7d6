// SPDX-License-Identifier: Apache-2.0
import type { EtcdClient, Operation } from '../client/index.js';
import type { EventValue } from '../layout/index.js';
import { EVENTS_KEPT, eventPut, type Keys, leaseForEvents } from '../layout/index.js';

/** Milliseconds after which events get a new lease, so that each is kept for about as long. */
const LEASE_FOR_MS = 86_400_000;

/**
 * Events of a process that goes on for long: one lease a day holds them, so that the number of
 * leases in etcd does not grow with the number of events.
 */
export class EventLog {
  readonly #client: EtcdClient;
  readonly #keys: Keys;
  readonly #now: () => number;
  #lease: { readonly id: string; readonly at: number } | undefined;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(client: EtcdClient, keys: Keys, now: () => number = () => performance.now()) {
    this.#client = client;
    this.#keys = keys;
    this.#now = now;
  }

  /**
   * An event as an operation of the transaction that it tells of.
   *
   * @param seen a revision of etcd that the writer has seen
   */
  async operation(seen: number, event: Omit<EventValue, 'at'>): Promise<Operation> {
    if (this.#lease === undefined || this.#now() - this.#lease.at > LEASE_FOR_MS) {
      this.#lease = { id: await leaseForEvents(this.#client, EVENTS_KEPT), at: this.#now() };
    }
    const at = new Date().toISOString();
    return eventPut(this.#keys, seen, this.#lease.id, { ...event, at, seen });
  }

  /** The next event gets a new lease: the present one may be gone. */
  forget(): void {
    this.#lease = undefined;
  }
}
