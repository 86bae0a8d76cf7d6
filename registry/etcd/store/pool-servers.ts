// SPDX-License-Identifier: Apache-2.0
import { readAddress } from '../../../core/address.js';
import { CidecarError } from '../../../core/index.js';
import type { Server } from '../../types.js';
import { readValue } from '../layout/read-value.js';
import { type ServerValue, serverValue } from '../layout/values/desired.js';
import { errorsOf } from './findings-of.js';

export interface ServerEntry {
  readonly name: string;
  readonly key: string;
  /** Canonical text. */
  readonly address: string;
  readonly value: ServerValue;
}

type Ids = Server['serverIds'];

/** The servers of one pool, each read when its key changes. */
export class PoolServers {
  readonly #entries = new Map<string, ServerEntry>();
  readonly #bad = new Map<string, readonly CidecarError[]>();
  readonly #dirty = new Set<string>();
  /** The valid ones, by their names. */
  #list: Server[] = [];

  get list(): readonly Server[] {
    return this.#list;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0 && this.#bad.size === 0;
  }

  get errors(): readonly CidecarError[] {
    return [...this.#bad.values()].flat();
  }

  get entries(): Iterable<ServerEntry> {
    return this.#entries.values();
  }

  get(name: string): ServerEntry | undefined {
    return this.#entries.get(name);
  }

  put(name: string, key: string, octets: Uint8Array): void {
    this.delete(name, key);
    const errors = errorsOf(() => {
      const value = readValue(serverValue, key, octets);
      const reading = readAddress(value.address);
      if ('problem' in reading) {
        const place = { file: key, field: 'address' };
        throw new CidecarError('DOCUMENT_INVALID', reading.problem, place);
      }
      this.#entries.set(name, { name, key, address: reading.address.text, value });
    });
    if (errors.length > 0) this.#bad.set(key, errors);
  }

  delete(name: string, key: string): void {
    this.#bad.delete(key);
    this.#entries.delete(name);
    this.#dirty.add(name);
  }

  /** The server is to be made again, because its IDs changed. */
  touch(name: string): void {
    this.#dirty.add(name);
  }

  get dirty(): ReadonlySet<string> {
    return this.#dirty;
  }

  /**
   * Makes the servers that changed; the others stay the objects that they were.
   *
   * @param idsOf the IDs of each server that is made
   */
  rebuild(idsOf: ReadonlyMap<string, Ids>): void {
    if (this.#dirty.size === 0) return;
    const made = [...this.#dirty].flatMap((name) => this.#make(name, idsOf.get(name)));
    made.sort(byName);
    const kept = this.#list.filter(({ name }) => !this.#dirty.has(name));
    this.#list = merged(kept, made);
    this.#dirty.clear();
  }

  #make(name: string, serverIds: Ids | undefined): Server[] {
    const entry = this.#entries.get(name);
    if (entry === undefined) return [];
    const { weight, state, encapsulation, resetTokens } = entry.value;
    const { address } = entry;
    const ids = serverIds ?? new Map();
    return [{ name, address, weight, state, encapsulation, resetTokens, serverIds: ids }];
  }
}

function byName(a: Server, b: Server): number {
  return a.name < b.name ? -1 : 1;
}

/** One sorted list of two. */
function merged(a: readonly Server[], b: readonly Server[]): Server[] {
  const all: Server[] = [];
  let next = 0;
  for (const server of a) {
    for (let other = b[next]; other !== undefined && other.name < server.name; other = b[next]) {
      all.push(other);
      next += 1;
    }
    all.push(server);
  }
  for (const server of b.slice(next)) all.push(server);
  return all;
}
