// SPDX-License-Identifier: Apache-2.0
import type { CidecarError } from '../../../core/index.js';
import { checkFailoverSpace } from '../../document/failover-space.js';
import { checkHealth } from '../../document/health.js';
import { type Places, Report } from '../../document/report.js';
import type { Path } from '../../document/source.js';
import { ITEMS_PER_STEP, runAtOnce, type Steps } from '../../document/steps.js';
import { checkTakers } from '../../document/takers.js';
import { readVips } from '../../document/vips.js';
import { checkSomethingMints } from '../../document/what-mints.js';
import type { Pool, Server, Vip } from '../../types.js';
import type { DesiredKey } from '../layout/keys.js';
import { readValue, reportOfKey } from '../layout/read-value.js';
import { type PoolValue, poolValue } from '../layout/values/desired.js';
import { errorsOf, type Found, foundBy, NOTHING_FOUND } from './findings-of.js';
import { PoolConfigs, type PoolConfigsOptions } from './pool-configs.js';
import { PoolIds } from './pool-ids.js';
import { PoolServers } from './pool-servers.js';

type PoolKey = Exclude<DesiredKey, { kind: 'revision' }>;

interface PoolEntry {
  readonly key: string;
  readonly value: PoolValue | undefined;
  readonly vips: readonly Vip[];
  readonly errors: readonly CidecarError[];
}

/** One pool, put together from its keys piece by piece. */
export class PoolAssembly {
  readonly name: string;
  readonly configs: PoolConfigs;
  readonly ids = new PoolIds();
  readonly servers = new PoolServers();
  readonly #places: Places;
  #entry: PoolEntry | undefined;
  #pool: Pool | undefined;
  #found: readonly Found[] = [];
  #dirty = true;
  /** Owners of IDs that are no servers of the pool. */
  readonly #orphans = new Set<string>();

  /** @param places of things in a document of the whole state */
  constructor(name: string, places: Places, configs: PoolConfigsOptions) {
    this.name = name;
    this.#places = places;
    this.configs = new PoolConfigs(name, configs);
  }

  get isEmpty(): boolean {
    const { configs, ids, servers } = this;
    return this.#entry === undefined && configs.isEmpty && ids.isEmpty && servers.isEmpty;
  }

  /** The pool as it was assembled last; undefined where its own key is missing or not valid. */
  get pool(): Pool | undefined {
    return this.#pool;
  }

  get vips(): readonly Vip[] {
    return this.#entry?.vips ?? [];
  }

  get value(): PoolValue | undefined {
    return this.#entry?.value;
  }

  get found(): readonly Found[] {
    return this.#found;
  }

  change(what: PoolKey, key: string, octets: Uint8Array | undefined): void {
    this.#dirty = true;
    switch (what.kind) {
      case 'pool':
        this.#entry = octets === undefined ? undefined : readPool(key, octets);
        return;
      case 'config':
        if (octets === undefined) this.configs.delete(what.config);
        else this.configs.put(what.config, key, octets);
        return;
      case 'server':
        if (octets === undefined) this.servers.delete(what.server, key);
        else this.servers.put(what.server, key, octets);
        return;
      case 'id':
        if (octets === undefined) this.ids.delete(what, key);
        else this.ids.put(what, key, octets);
        return;
    }
  }

  openAgain(): void {
    if (this.configs.openAgain()) this.#dirty = true;
  }

  /** Puts the pool together from what changed and what did not. */
  *assemble(): Steps<void> {
    if (!this.#dirty) return;
    const path: Path = ['pools', this.name];
    const { configs, ids, servers } = this;
    yield* ids.check(configs);
    for (const name of ids.takeDirty()) servers.touch(name);
    const lists = new Map<string, Server['serverIds']>();
    for (const name of servers.dirty) {
      lists.set(name, yield* ids.listsOf(name, (id) => configs.get(id)?.codec));
      if (lists.size % ITEMS_PER_STEP === 0) yield;
    }
    for (const name of servers.dirty) {
      if (ids.owns(name) && servers.get(name) === undefined) this.#orphans.add(name);
      else this.#orphans.delete(name);
    }
    servers.rebuild(lists);
    this.#pool = this.#build();
    const ofConfigs = configs.check(new Report(this.#places), (at) => [...path, 'configs', at]);
    const errors = [...(this.#entry?.errors ?? []), ...servers.errors, ...ids.errors];
    const found: Found[] = [{ ...NOTHING_FOUND, errors }, ...ofConfigs];
    const report = new Report(this.#places);
    this.#checkPool(path, report);
    if (found.every((each) => each.errors.length === 0)) this.#warn(path, report);
    this.#found = [...found, foundBy(report)];
    this.#dirty = false;
  }

  #build(): Pool | undefined {
    const value = this.#entry?.value;
    if (value === undefined) return undefined;
    const { allocation, rotation, health } = value;
    return {
      name: this.name,
      vips: this.vips,
      configs: this.configs.list,
      servers: this.servers.list,
      ...(allocation && { allocation }),
      ...(rotation && { rotation }),
      ...(health && { health }),
    };
  }

  #checkPool(path: Path, report: Report): void {
    if (this.#entry !== undefined || this.isEmpty) return;
    report.error(path, 'is missing, and there are keys of this pool');
  }

  #warn(path: Path, report: Report): void {
    const pool = this.#pool;
    if (pool === undefined) return;
    checkTakers(pool, path, report);
    checkFailoverSpace(pool, pool, path, report);
    checkSomethingMints(pool, path, report);
    for (const owner of this.#orphans) {
      const place = [...path, 'servers', owner];
      report.warn(place, 'is no server of this pool, and IDs of it are; nobody gets their packets');
    }
  }
}

function readPool(key: string, octets: Uint8Array): PoolEntry {
  const report = reportOfKey(key);
  let value: PoolValue | undefined;
  let vips: readonly Vip[] = [];
  const errors = errorsOf(() => {
    value = readValue(poolValue, key, octets);
    vips = runAtOnce(readVips(value.vips, ['vips'], report));
    checkHealth(value, [], report);
  });
  return { key, value, vips, errors: [...errors, ...report.errors.kept] };
}
