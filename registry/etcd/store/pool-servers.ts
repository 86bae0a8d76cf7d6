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

/** So many servers that changed are put into their places one by one. */
const FEW = 32;

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
    const list = this.#dirty.size > FEW ? this.#mergedList(idsOf) : this.#editedList(idsOf);
    this.#list = list;
    this.#dirty.clear();
  }

  /** For a few among many: the list is copied, and nothing is looked at but the few. */
  #editedList(idsOf: ReadonlyMap<string, Ids>): Server[] {
    const list = this.#list.slice();
    for (const name of this.#dirty) {
      const made = this.#make(name, idsOf.get(name));
      const at = placeOf(list, name);
      list.splice(at, list[at]?.name === name ? 1 : 0, ...made);
    }
    return list;
  }

  #mergedList(idsOf: ReadonlyMap<string, Ids>): Server[] {
    const made = [...this.#dirty].flatMap((name) => this.#make(name, idsOf.get(name)));
    made.sort(byName);
    return merged(
      this.#list.filter(({ name }) => !this.#dirty.has(name)),
      made,
    );
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

/** Of the first server that has this name or one after it. */
function placeOf(list: readonly Server[], name: string): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.name ?? '') < name) low = middle + 1;
    else high = middle;
  }
  return low;
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
