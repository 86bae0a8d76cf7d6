// SPDX-License-Identifier: Apache-2.0
import type { CidCodec } from '../../../cid/index.js';
import { CidecarError } from '../../../core/index.js';
import { clearAndEncrypted, ownedTwice } from '../../document/owners.js';
import { wants } from '../../document/server-ids.js';
import { noSuchConfig } from '../../document/servers.js';
import { ITEMS_PER_STEP, type Steps } from '../../document/steps.js';
import type { PoolConfig } from '../../types.js';
import { lastOfRun } from '../layout/id-run.js';
import type { IdKey } from '../layout/keys.js';
import { readValue } from '../layout/read-value.js';
import { idValue } from '../layout/values/desired.js';
import { errorsOf } from './findings-of.js';
import { OwnedIds } from './owned-ids.js';
import type { PoolConfigs } from './pool-configs.js';
import { type IdRun, RunTable } from './run-table.js';

/** The owned IDs of one pool, and who owns them. */
export class PoolIds {
  readonly #tables = new Map<number, RunTable>();
  readonly #owned = new Map<string, OwnedIds>();
  /** Errors in values, by key. */
  readonly #bad = new Map<string, readonly CidecarError[]>();
  /** Runs that do not fit their config, by key. */
  readonly #unfit = new Map<string, CidecarError>();
  /** IDs with two owners, or of a clear and of an encrypted config. */
  #shared: readonly CidecarError[] = [];
  readonly #touched = new Map<IdRun, number>();
  readonly #dirtyServers = new Set<string>();
  #codecs = new Map<number, CidCodec>();
  #configsVersion = 0;
  #count = 0;
  #version = 0;

  /** Owned IDs. */
  get count(): number {
    return this.#count;
  }

  get isEmpty(): boolean {
    return this.#tables.size === 0 && this.#bad.size === 0;
  }

  /** Grows with each change. */
  get version(): number {
    return this.#version;
  }

  /** Whether IDs are in this name, of a server of the pool or not. */
  owns(server: string): boolean {
    return this.#owned.has(server);
  }

  /** Servers whose IDs changed since this was asked last. */
  takeDirty(): readonly string[] {
    const dirty = [...this.#dirtyServers];
    this.#dirtyServers.clear();
    return dirty;
  }

  /** The run that has the ID at an index of a server's list. */
  runAt(server: string, config: number, index: number): IdRun | undefined {
    let left = index;
    for (const run of this.#owned.get(server)?.runsOf(config) ?? []) {
      if (left < run.count) return run;
      left -= run.count;
    }
    return undefined;
  }

  /** All runs of a config, in the order of their IDs. */
  runsOf(config: number): readonly IdRun[] {
    return this.#tables.get(config)?.runs ?? [];
  }

  /** The configs under which there are IDs. */
  get configs(): readonly number[] {
    return [...this.#tables.keys()].sort((a, b) => a - b);
  }

  put({ config, hex }: IdKey, key: string, octets: Uint8Array): void {
    this.#remove(config, hex, key);
    const errors = errorsOf(() => {
      const { server, count, allocated } = readValue(idValue, key, octets);
      const last = lastOfRun(hex, count);
      if (last === undefined) {
        const message = `a run of ${count} IDs from ${hex} does not end within ${hex.length / 2} octets`;
        throw new CidecarError('SERVER_ID_INVALID', message, { file: key, field: 'count' });
      }
      this.#add(config, { key, hex, last, count, server, allocated: allocated ?? false });
    });
    if (errors.length > 0) this.#bad.set(key, errors);
  }

  delete({ config, hex }: IdKey, key: string): void {
    this.#remove(config, hex, key);
  }

  #add(config: number, run: IdRun): void {
    let table = this.#tables.get(config);
    if (table === undefined) {
      table = new RunTable();
      this.#tables.set(config, table);
    }
    table.put(run);
    this.#version += 1;
    this.#count += run.count;
    this.#touched.set(run, config);
    this.#dirtyServers.add(run.server);
    let owned = this.#owned.get(run.server);
    if (owned === undefined) {
      owned = new OwnedIds();
      this.#owned.set(run.server, owned);
    }
    owned.put(config, run);
  }

  #remove(config: number, hex: string, key: string): void {
    this.#bad.delete(key);
    this.#unfit.delete(key);
    const table = this.#tables.get(config);
    const run = table?.delete(hex);
    if (table === undefined || run === undefined) return;
    this.#version += 1;
    if (table.runs.length === 0) this.#tables.delete(config);
    this.#count -= run.count;
    this.#touched.delete(run);
    this.#dirtyServers.add(run.server);
    const owned = this.#owned.get(run.server);
    owned?.delete(config, hex);
    if (owned?.isEmpty) this.#owned.delete(run.server);
  }

  /** Checks what changed; all IDs of a config whose codec is another one. */
  *check(configs: PoolConfigs): Steps<void> {
    const codecs = new Map(configs.list.map(({ id, codec }) => [id, codec]));
    const others = configs.version !== this.#configsVersion;
    const changed = new Set(
      [...this.#tables.keys()].filter((id) => {
        const codec = codecs.get(id);
        return codec !== this.#codecs.get(id) || (others && codec === undefined);
      }),
    );
    for (const id of changed) {
      for (const run of this.#tables.get(id)?.runs ?? []) {
        this.#touched.set(run, id);
        this.#dirtyServers.add(run.server);
      }
    }
    let count = 0;
    for (const [run, config] of this.#touched) {
      if (++count % ITEMS_PER_STEP === 0) yield;
      this.#unfit.delete(run.key);
      const error = unfit(run, config, configs);
      if (error !== undefined) this.#unfit.set(run.key, error);
    }
    const everything = changed.size > 0 || this.#shared.length > 0;
    const errors: CidecarError[] = [];
    for (const table of this.#tables.values()) {
      for (const { run, earlier } of yield* table.overlaps()) {
        const shown = run.hex;
        errors.push(sharedId(run, ownedTwice(shown, run.server, earlier.server, earlier.key)));
      }
    }
    const suspect = everything || (yield* this.#meetsOther(configs.list));
    if (suspect) yield* this.#checkKinds(configs.list, errors);
    this.#shared = errors;
    this.#codecs = codecs;
    this.#configsVersion = configs.version;
    this.#touched.clear();
  }

  /** Whether a run that changed has an ID of a config of the other kind. */
  *#meetsOther(configs: readonly PoolConfig[]): Steps<boolean> {
    let count = 0;
    for (const [run, id] of this.#touched) {
      if (++count % ITEMS_PER_STEP === 0) yield;
      const others = othersOf(id, configs);
      if (others.some((other) => this.#tables.get(other)?.meeting(run) !== undefined)) return true;
    }
    return false;
  }

  /**
   * draft-ietf-quic-load-balancers, "Distinguishing Attacks". All IDs are looked at, so that the
   * errors are the same in whatever order changes came.
   */
  *#checkKinds(configs: readonly PoolConfig[], errors: CidecarError[]): Steps<void> {
    let count = 0;
    for (const { id } of configs) {
      const others = othersOf(id, configs).filter((other) => other < id);
      if (others.length === 0) continue;
      for (const run of this.runsOf(id)) {
        if (++count % ITEMS_PER_STEP === 0) yield;
        const clash = others.flatMap((other) => this.#tables.get(other)?.meeting(run) ?? [])[0];
        if (clash === undefined) continue;
        const hex = [clash.hex, run.hex].sort().at(-1) ?? run.hex;
        errors.push(sharedId(run, clearAndEncrypted(hex, clash.server, clash.key)));
      }
    }
  }

  /** The IDs of a server, by config. */
  listsOf(
    server: string,
    codecOf: (config: number) => CidCodec | undefined,
  ): Steps<ReadonlyMap<number, readonly Uint8Array[]>> {
    const owned = this.#owned.get(server) ?? new OwnedIds();
    return owned.lists(codecOf, (run, message) => this.#refuse(run, message));
  }

  get errors(): readonly CidecarError[] {
    return [...[...this.#bad.values()].flat(), ...this.#unfit.values(), ...this.#shared];
  }

  #refuse({ key }: IdRun, message: string): void {
    this.#unfit.set(key, new CidecarError('SERVER_ID_INVALID', message, { file: key }));
  }
}

function sharedId({ key }: IdRun, message: string): CidecarError {
  return new CidecarError('DOCUMENT_INVALID', message, { file: key });
}

function unfit({ key, hex }: IdRun, id: number, configs: PoolConfigs): CidecarError | undefined {
  const config = configs.get(id);
  if (config === undefined) {
    // Where a config is invalid itself, that is reported already.
    if (configs.has(id)) return undefined;
    return new CidecarError('DOCUMENT_INVALID', noSuchConfig(configs.list), { file: key });
  }
  const length = config.codec.serverIdLength;
  if (hex.length === 2 * length) return undefined;
  return new CidecarError('SERVER_ID_INVALID', wants(hex, length), { file: key });
}

/** The configs whose IDs are as long, and that are encrypted where this one is clear. */
function othersOf(id: number, configs: readonly PoolConfig[]): readonly number[] {
  const own = configs.find((config) => config.id === id);
  if (own === undefined) return [];
  return configs
    .filter(
      ({ codec }) =>
        isEncrypted(codec) !== isEncrypted(own.codec) &&
        codec.serverIdLength === own.codec.serverIdLength,
    )
    .map((other) => other.id);
}

function isEncrypted({ decodePlan }: CidCodec): boolean {
  return decodePlan.kind !== 'extract';
}
