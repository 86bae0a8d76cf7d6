// SPDX-License-Identifier: Apache-2.0
import { put } from '../../../client/index.js';
import { acknowledgement, valueText } from '../../../layout/index.js';
import { announce, comeAlive, putAway } from '../../acknowledgements.js';
import type { Decodes, Surroundings } from './surroundings.js';
import { keys, POOL } from './world-beginning.js';

/** An agent of the world: what its kernel decodes, and what it says. */
export class WorldAgent {
  readonly name: string;
  decodes: Decodes = new Map();
  readonly #world: Surroundings;
  #lives = 0;
  /** Revision that the kernel holds. */
  #kernel = 0;

  constructor(world: Surroundings, name: string) {
    this.#world = world;
    this.name = name;
  }

  apply(): void {
    this.decodes = this.#world.decodable;
    this.#kernel = this.#world.desired;
    this.#world.check();
  }

  acknowledge(): void {
    const { store } = this.#world;
    const ack = keys.ack(this.name);
    const live = store.get(keys.liveAgent(this.name));
    if (live?.lease !== this.#lease || store.get(ack) === undefined) return;
    store.txn({ when: [], success: [put(ack, acknowledgement(this.#kernel))] });
  }

  /** It gives no sign of life; its tables go on. */
  silence(): void {
    this.#world.store.expire(this.#lease);
  }

  /** The grace is over. */
  away(): void {
    const away = putAway(keys, this.#world.view().fleet, this.name);
    if (away !== undefined) this.#world.store.txn(away);
  }

  join(): void {
    const { name } = this;
    const { store } = this.#world;
    if (store.get(keys.liveAgent(name)) !== undefined) return;
    const owner = { identity: name, host: '' };
    const seen = { name: store.get(keys.agentName(name))?.modRevision ?? 0, live: 0 };
    store.txn(announce(keys, { agent: name, owner, holds: this.#kernel, seen }));
    this.apply();
    this.#lives += 1;
    const value = { identity: name, host: '', since: 0 };
    const announced = { name: store.get(keys.agentName(name))?.modRevision ?? 0, live: 0 };
    const of = { agent: name, lease: this.#lease, value, holds: this.#kernel };
    store.txn(comeAlive(keys, { ...of, seen: announced }));
    this.quiet();
  }

  /** It saw no packet for long enough. */
  quiet(): void {
    const { store } = this.#world;
    if (store.get(keys.liveAgent(this.name)) === undefined) return;
    const seconds = Object.fromEntries([0, 1, 2, 3, 4, 5, 6].map((id) => [`${POOL}/${id}`, 99]));
    const said = put(keys.quiet(this.name), valueText(seconds), this.#lease);
    store.txn({ when: [], success: [said] });
  }

  get #lease(): string {
    return `${100 * Number(this.name.slice(-1)) + this.#lives}`;
  }
}
