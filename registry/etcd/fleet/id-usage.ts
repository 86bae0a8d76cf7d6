// SPDX-License-Identifier: Apache-2.0
import type { Pool, Server } from '../../types.js';
import { numberOf } from './id-numbers.js';
import { NumberSet } from './number-set.js';

const NONE = new NumberSet();

/**
 * Which IDs of a pool have owners. It follows the desired state: servers whose IDs are the same
 * object as before cost a comparison each.
 */
export class IdUsage {
  readonly #taken = new Map<number, NumberSet>();
  #servers = new Map<string, Server>();

  /** @param pool as it is now */
  update({ servers }: Pick<Pool, 'servers'>): void {
    const now = new Map<string, Server>();
    const added: Server[] = [];
    for (const server of servers) {
      now.set(server.name, server);
      const before = this.#servers.get(server.name);
      if (before?.serverIds === server.serverIds) continue;
      // First everything that went, so that an ID that changed its owner is not lost.
      if (before !== undefined) this.#change(before, (set, number) => set.delete(number));
      added.push(server);
    }
    for (const [name, before] of this.#servers) {
      if (!now.has(name)) this.#change(before, (set, number) => set.delete(number));
    }
    for (const server of added) this.#change(server, (set, number) => set.add(number));
    this.#servers = now;
  }

  /** Servers of the pool. */
  get size(): number {
    return this.#servers.size;
  }

  server(name: string): Server | undefined {
    return this.#servers.get(name);
  }

  /** The numbers of the IDs that have owners under a config. */
  of(config: number): NumberSet {
    return this.#taken.get(config) ?? NONE;
  }

  #change({ serverIds }: Server, change: (set: NumberSet, number: number) => void): void {
    for (const [config, ids] of serverIds) {
      let set = this.#taken.get(config);
      if (set === undefined) {
        set = new NumberSet();
        this.#taken.set(config, set);
      }
      for (const id of ids) {
        const number = numberOf(id);
        if (number !== undefined) change(set, number);
      }
    }
  }
}
