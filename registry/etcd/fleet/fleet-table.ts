// SPDX-License-Identifier: Apache-2.0
import type { z } from 'zod';
import type { KeyValue } from '../client/index.js';
import { readValue } from '../layout/index.js';

/** What a key says, and what a transaction needs to refer to it as it was seen. */
export interface Entry<Value> {
  readonly key: string;
  readonly value: Value;
  /** Revision at which the key was made. */
  readonly createRevision: number;
  /** Revision of its last change. */
  readonly modRevision: number;
  /** ID of the lease that the key hangs on; '0': none. */
  readonly lease: string;
}

/** Reads the text of a value; throws where it is none. */
export type ReadEntry<Value> = (key: string, text: string) => Value;

export function jsonOf<Value>(schema: z.ZodType<Value>): ReadEntry<Value> {
  return (key, text) => readValue(schema, key, text);
}

/** Entries by name, in folders. A folder is what stands between the prefix and the name. */
export interface FleetTable<Value> {
  /** Of all folders. */
  readonly size: number;
  /**
   * The entries of one folder by name: of `web` or `web/1`, or of `''` where keys have no folder.
   */
  in(folder: string): ReadonlyMap<string, Entry<Value>>;
  /** Folders that hold something. */
  readonly folders: Iterable<string>;
  /** @param path the folder, if there is one, then the name: `lb-1`, `web/web-1`, `web/1/00ff` */
  get(path: string): Entry<Value> | undefined;
}

export class MutableFleetTable<Value> implements FleetTable<Value> {
  readonly prefix: string;
  readonly #depth: number;
  readonly #read: ReadEntry<Value>;
  readonly #folders = new Map<string, Map<string, Entry<Value>>>();
  readonly #nothing: ReadonlyMap<string, Entry<Value>> = new Map();
  #size = 0;

  /** @param depth names that stand between the prefix and the last name */
  constructor(prefix: string, depth: number, read: ReadEntry<Value>) {
    this.prefix = prefix;
    this.#depth = depth;
    this.#read = read;
  }

  get size(): number {
    return this.#size;
  }

  get folders(): Iterable<string> {
    return this.#folders.keys();
  }

  in(folder: string): ReadonlyMap<string, Entry<Value>> {
    return this.#folders.get(folder) ?? this.#nothing;
  }

  get(path: string): Entry<Value> | undefined {
    const { folder, name } = parted(path);
    return this.#folders.get(folder)?.get(name);
  }

  /** Throws where the value cannot be read; the table then has no such entry. */
  put({ key, value, createRevision, modRevision, lease }: KeyValue): void {
    const path = this.#pathOf(key);
    if (path === undefined) return;
    this.remove(key);
    const read = this.#read(key, value.toString('utf8'));
    const { folder, name } = parted(path);
    let entries = this.#folders.get(folder);
    if (entries === undefined) {
      entries = new Map();
      this.#folders.set(folder, entries);
    }
    entries.set(name, { key, value: read, createRevision, modRevision, lease });
    this.#size += 1;
  }

  remove(key: string): void {
    const path = this.#pathOf(key);
    if (path === undefined) return;
    const { folder, name } = parted(path);
    const entries = this.#folders.get(folder);
    if (entries?.delete(name) !== true) return;
    this.#size -= 1;
    if (entries.size === 0) this.#folders.delete(folder);
  }

  clear(): void {
    this.#folders.clear();
    this.#size = 0;
  }

  /** Undefined for a key of another depth, which is none of this layout. */
  #pathOf(key: string): string | undefined {
    const path = key.slice(this.prefix.length);
    return path.split('/').length === this.#depth + 1 ? path : undefined;
  }
}

function parted(path: string): { folder: string; name: string } {
  const slash = path.lastIndexOf('/');
  return { folder: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1) };
}
