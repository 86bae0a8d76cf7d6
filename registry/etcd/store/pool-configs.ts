// SPDX-License-Identifier: Apache-2.0
import type { CidecarError } from '../../../core/index.js';
import { checkConfigs, readConfig } from '../../document/configs.js';
import { ConfigKeys } from '../../document/keys.js';
import type { Report } from '../../document/report.js';
import type { Path } from '../../document/source.js';
import type { NeedsKey, PoolConfig } from '../../types.js';
import { reportOfKey } from '../layout/read-value.js';
import {
  type ConfigValue,
  configValueText,
  type ReadConfigValue,
  sealedField,
} from '../layout/values/config.js';
import { errorsOf, type Found, foundBy, NOTHING_FOUND } from './findings-of.js';
import type { Keyring } from './keyring.js';

interface ConfigEntry {
  readonly key: string;
  readonly value: ConfigValue | undefined;
  readonly found: Found;
  readonly config: PoolConfig | undefined;
  /** The value without its state and its keys. */
  readonly meaning: string;
}

export interface PoolConfigsOptions {
  readonly read: ReadConfigValue;
  readonly keyring: Keyring;
  readonly needsKey: NeedsKey;
}

/** The configs of one pool, each compiled when its key changes. */
export class PoolConfigs {
  readonly #pool: string;
  readonly #options: PoolConfigsOptions;
  readonly #entries = new Map<number, ConfigEntry>();
  #list: readonly PoolConfig[] = [];
  #version = 0;

  constructor(pool: string, options: PoolConfigsOptions) {
    this.#pool = pool;
    this.#options = options;
  }

  /** The valid ones, by their IDs. Another list after each change. */
  get list(): readonly PoolConfig[] {
    return this.#list;
  }

  /** Grows with each change, also of configs that are not valid. */
  get version(): number {
    return this.#version;
  }

  /** Whether there is a key for this config, valid or not. */
  has(id: number): boolean {
    return this.#entries.has(id);
  }

  get(id: number): PoolConfig | undefined {
    return this.#entries.get(id)?.config;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** The values as they are in etcd, by the IDs; without those that cannot be read. */
  get values(): readonly (readonly [id: number, value: ConfigValue])[] {
    const all = [...this.#entries].sort(([a], [b]) => a - b);
    return all.flatMap(([id, { value }]) => (value === undefined ? [] : [[id, value] as const]));
  }

  put(id: number, key: string, octets: Uint8Array): void {
    let value: ConfigValue | undefined;
    const errors = errorsOf(() => {
      value = this.#options.read(octets, { pool: this.#pool, config: id, key });
    });
    this.#entries.set(id, this.#entry(id, key, value, errors));
    this.#relist();
  }

  delete(id: number): void {
    this.#entries.delete(id);
    this.#relist();
  }

  /** Tries again to open keys that could not be opened. Returns whether there were any. */
  openAgain(): boolean {
    const closed = [...this.#entries].filter(
      ([, { value, config }]) => value && (!config || config.unread),
    );
    for (const [id, { key, value }] of closed) {
      this.#entries.set(id, this.#entry(id, key, value, []));
    }
    if (closed.length > 0) this.#relist();
    return closed.length > 0;
  }

  /** What is wrong with single configs, and with some of them together. */
  check(report: Report, placeOf: (index: number) => Path): readonly Found[] {
    checkConfigs(
      this.#list,
      this.#list.map((_, index) => placeOf(index)),
      report,
    );
    return [...[...this.#entries.values()].map(({ found }) => found), foundBy(report)];
  }

  #relist(): void {
    this.#version += 1;
    const list = [...this.#entries.values()].flatMap(({ config }) => config ?? []);
    this.#list = list.sort((a, b) => a.id - b.id);
  }

  #entry(
    id: number,
    key: string,
    value: ConfigValue | undefined,
    errors: readonly CidecarError[],
  ): ConfigEntry {
    if (value === undefined) {
      const found = { ...NOTHING_FOUND, errors };
      return { key, value, found, config: undefined, meaning: '' };
    }
    const { shape } = value;
    const meaning = configValueText({ shape: { ...shape, state: 'staged' }, sealed: {} });
    const report = reportOfKey(key, sealedField);
    const config = readConfig(shape, [], report, this.#keysOf(id, value, report));
    if (config !== undefined && config.id !== id) {
      report.error(['id'], `must be ${id}, as in the key`);
      return { key, value, found: foundBy(report), config: undefined, meaning };
    }
    const before = this.#entries.get(id);
    const same = before?.meaning === meaning ? withSameKeys(before.config, config) : undefined;
    // The codec stays the object that it was where only the state changed, or a key was sealed
    // anew: what was checked by it is not checked again.
    return { key, value, found: foundBy(report), config: same ?? config, meaning };
  }
  #keysOf(id: number, { shape, sealed }: ConfigValue, report: Report): ConfigKeys {
    const { keyring, needsKey } = this.#options;
    // A document names key files where a key in etcd is sealed.
    const readKey = (_: string, field: string) => {
      const key = sealed[field];
      if (key === undefined) throw new Error('a config was read without one of its keys');
      return keyring.open(key, { pool: this.#pool, config: id, kind: sealedField(field) });
    };
    const { state } = shape;
    const use = { pool: this.#pool, state, hasVips: true, hasServer: () => true };
    return new ConfigKeys({ readKey, needsKey }, use, [], report);
  }
}

/** The config with the codec of an earlier one, if the keys of both are the same. */
function withSameKeys(
  before: PoolConfig | undefined,
  now: PoolConfig | undefined,
): PoolConfig | undefined {
  if (before === undefined || now === undefined) return undefined;
  const old = [...before.codec.secrets, before.resetKey];
  const keys = [...now.codec.secrets, now.resetKey];
  const same =
    before.unread?.join() === now.unread?.join() &&
    old.length === keys.length &&
    old.every((key, at) => {
      const other = keys[at] ?? null;
      return key === null || other === null ? key === other : key.equals(other);
    });
  return same ? { ...before, state: now.state } : undefined;
}
