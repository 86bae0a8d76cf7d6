// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../../../cid/index.js';
import type { Change, Followed, KeyValue } from '../../client/index.js';
import {
  type ConfigValue,
  configValueReader,
  type Keys,
  type PoolValue,
  poolValue,
  type ReadConfigValue,
  readValue,
} from '../../layout/index.js';
import type { Entry } from '../fleet-table.js';
import { FleetPicture, type FleetView } from '../fleet-view.js';
import { type RotationRecord, rotationRecord } from './record.js';

/** A config as it was read, and at which revision its key was changed last. */
export interface SeenConfig {
  readonly id: number;
  readonly key: string;
  readonly modRevision: number;
  readonly value: ConfigValue;
}

/** What a rotation of one pool is decided by, at one revision. */
export interface RotationView {
  readonly pool: string;
  readonly fleet: FleetView;
  /** Undefined where there is no such pool, or its key cannot be read. */
  readonly value: PoolValue | undefined;
  /** By config ID. */
  readonly configs: ReadonlyMap<number, SeenConfig>;
  /** The rotation under way, or the last one. */
  readonly record: Entry<RotationRecord> | undefined;
  /** Keys whose values cannot be read; nothing is decided where there are any. */
  readonly unreadable: readonly string[];
}

/** Makes the view of keys and their changes. Keys of other pools are left out. */
export class RotationPicture {
  readonly #keys: Keys;
  readonly #pool: string;
  readonly #read: ReadConfigValue;
  readonly #fleet: FleetPicture;
  readonly #configs = new Map<number, SeenConfig>();
  readonly #unreadable = new Set<string>();
  #value: PoolValue | undefined;

  constructor(keys: Keys, pool: string, schemes?: Schemes) {
    this.#keys = keys;
    this.#pool = pool;
    this.#read = configValueReader(schemes);
    this.#fleet = new FleetPicture(keys);
  }

  /** The keys that it is made of, and their prefixes. None lies within another. */
  static followed(keys: Keys, pool: string): Followed[] {
    return [
      { key: keys.pool(pool) },
      keys.configs(pool),
      keys.acks,
      keys.allStale,
      keys.liveAgents,
      keys.allQuiet,
      keys.liveServers(pool),
      keys.uses(pool),
      { key: keys.controller(pool) },
      { key: keys.rotation(pool) },
    ];
  }

  begin(revision: number, entries: readonly KeyValue[]): void {
    this.#configs.clear();
    this.#unreadable.clear();
    this.#value = undefined;
    const present = entries.filter(({ key }) => this.#concerns(key));
    this.#fleet.begin(revision, present);
    for (const entry of present) this.#put(entry);
  }

  apply(revision: number, changes: readonly Change[]): void {
    const here = changes.filter((change) =>
      this.#concerns(change.kind === 'put' ? change.entry.key : change.key),
    );
    this.#fleet.apply(revision, here);
    for (const change of here) {
      if (change.kind === 'put') this.#put(change.entry);
      else this.#remove(change.key);
    }
  }

  reach(revision: number): void {
    this.#fleet.reach(revision);
  }

  get view(): RotationView {
    const found = this.#fleet.view.rotations.get(this.#pool);
    const record = found && this.#recordOf(found);
    return {
      pool: this.#pool,
      fleet: this.#fleet.view,
      value: this.#value,
      configs: this.#configs,
      record,
      unreadable: [
        ...this.#unreadable,
        ...(found !== undefined && record === undefined ? [found.key] : []),
      ],
    };
  }

  #recordOf(entry: Entry<unknown>): Entry<RotationRecord> | undefined {
    const { success, data } = rotationRecord.safeParse(entry.value);
    return success ? { ...entry, value: data } : undefined;
  }

  /** A prefix of one key, such as that of the record, is also one of longer names. */
  #concerns(key: string): boolean {
    const { root } = this.#keys;
    for (const folder of [this.#keys.rotations, this.#keys.controllers]) {
      if (key.startsWith(folder)) return key === folder + this.#pool;
    }
    if (key.startsWith(this.#keys.pools)) return this.#isDesired(key);
    const below = [this.#keys.liveServers(this.#pool), this.#keys.uses(this.#pool)];
    if (key.startsWith(`${root}uses/`) || key.startsWith(`${this.#keys.live}servers/`)) {
      return below.some((prefix) => key.startsWith(prefix));
    }
    return true;
  }

  #isDesired(key: string): boolean {
    return key === this.#keys.pool(this.#pool) || key.startsWith(this.#keys.configs(this.#pool));
  }

  #put({ key, value, modRevision }: KeyValue): void {
    if (!key.startsWith(this.#keys.pools)) return;
    this.#remove(key);
    const what = this.#keys.parse(key);
    try {
      if (what?.kind === 'pool') this.#value = readValue(poolValue, key, value);
      if (what?.kind !== 'config') return;
      const read = this.#read(value, { pool: this.#pool, config: what.config, key });
      this.#configs.set(what.config, { id: what.config, key, modRevision, value: read });
    } catch {
      this.#unreadable.add(key);
    }
  }

  #remove(key: string): void {
    this.#unreadable.delete(key);
    const what = this.#keys.parse(key);
    if (what?.kind === 'pool') this.#value = undefined;
    if (what?.kind === 'config') this.#configs.delete(what.config);
  }
}
