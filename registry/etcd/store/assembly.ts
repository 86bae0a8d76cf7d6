// SPDX-License-Identifier: Apache-2.0
import { BUILT_IN_SCHEMES, type Schemes } from '../../../cid/index.js';
import { CidecarError } from '../../../core/index.js';
import { DocumentError } from '../../document/document-error.js';
import { MAX_FINDINGS, MAX_SERVER_IDS } from '../../document/limits.js';
import { checkNonceSpaces, poolsWithSharedSpaces } from '../../document/nonce-spaces.js';
import { type DocumentWarning, type Places, Report } from '../../document/report.js';
import { checkResetKeys } from '../../document/reset-keys.js';
import { TOO_MANY_IDS } from '../../document/server-ids.js';
import type { Steps } from '../../document/steps.js';
import { checkVips } from '../../document/vips.js';
import type { DesiredState, NeedsKey, Pool, PoolConfig, Vip } from '../../types.js';
import type { Keys } from '../layout/keys.js';
import { revisionText } from '../layout/revision.js';
import { configValueReader, type ReadConfigValue } from '../layout/values/config.js';
import { type Found, foundBy, NOTHING_FOUND } from './findings-of.js';
import { keyPlaces } from './key-places.js';
import type { Keyring } from './keyring.js';
import { PoolAssembly } from './pool-assembly.js';
import { ServerNames } from './server-names.js';

export interface AssemblyOptions {
  readonly keys: Keys;
  readonly keyring: Keyring;
  /**
   * Which keys have to be opened; every one if left out. It is asked as if every pool had VIPs and
   * every server: a config is read before the rest of its pool.
   */
  readonly needsKey?: NeedsKey | undefined;
  readonly schemes?: Schemes;
}

export interface AssembledState {
  readonly state: DesiredState;
  readonly warnings: readonly DocumentWarning[];
}

/**
 * The desired state, put together from keys. What did not change is not read again, and stays
 * the objects that it was: one server's change makes one server, the lists that it is in, and
 * nothing else. The rules are those of a document; a check is made again when something that it
 * looks at changed.
 */
export class Assembly {
  readonly #keys: Keys;
  readonly #keyring: Keyring;
  readonly #needsKey: NeedsKey;
  readonly #read: ReadConfigValue;
  readonly #places: Places;
  readonly #pools = new Map<string, PoolAssembly>();
  readonly #names: ServerNames;
  /** Keys that are none of this layout. */
  readonly #unknown = new Map<string, CidecarError>();
  #revision = 0;
  #begun = false;
  #list: readonly Pool[] = [];
  // What checks of all pools found, and what they looked at.
  #vipLists: readonly (readonly Vip[])[] = [];
  #vipsFound = NOTHING_FOUND;
  #configLists: readonly (readonly PoolConfig[])[] = [];
  #resetsFound = NOTHING_FOUND;
  #sharing: ReadonlySet<string> = new Set();
  #sharingPools: readonly Pool[] = [];
  #spacesFound = NOTHING_FOUND;

  constructor({ keys, keyring, needsKey, schemes = BUILT_IN_SCHEMES }: AssemblyOptions) {
    this.#keys = keys;
    this.#keyring = keyring;
    this.#needsKey = needsKey ?? (() => true);
    this.#read = configValueReader(schemes);
    this.#places = keyPlaces(keys, (name) => this.#pools.get(name));
    this.#names = new ServerNames(keys);
  }

  /** The revision of etcd up to which it knows the desired state. */
  get revision(): number {
    return this.#revision;
  }

  /** etcd holds other data than it did, all of which comes now: revisions begin anew. */
  restored(): void {
    this.#revision = 0;
  }

  /** Whether anything was applied here: every transaction that changes the state leaves a mark. */
  get begun(): boolean {
    return this.#begun;
  }

  /**
   * Takes the value of a key; undefined where it was deleted.
   *
   * @param revision of the change
   */
  change(key: string, octets: Uint8Array | undefined, revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    const what = this.#keys.parse(key);
    if (what?.kind === 'revision') {
      this.#begun = octets !== undefined;
      return;
    }
    if (what === undefined) {
      const error = new CidecarError('DOCUMENT_INVALID', 'is no key of this layout', { file: key });
      if (octets === undefined) this.#unknown.delete(key);
      else this.#unknown.set(key, error);
      return;
    }
    let pool = this.#pools.get(what.pool);
    if (pool === undefined) {
      pool = new PoolAssembly(what.pool, this.#places, {
        read: this.#read,
        keyring: this.#keyring,
        needsKey: this.#needsKey,
      });
      this.#pools.set(what.pool, pool);
    }
    pool.change(what, key, octets);
    if (what.kind === 'server') this.#names.touch(what.pool, what.server);
  }

  /** Tries again to open keys that could not be opened, with the file of secrets read again. */
  openAgain(): void {
    this.#keyring.forget();
    for (const pool of this.#pools.values()) pool.openAgain();
  }

  /** All pools, with their values as they are in etcd, by their names. */
  get pools(): readonly PoolAssembly[] {
    return this.#sorted();
  }

  /** The whole state. Throws a DocumentError with all that is wrong. */
  *assemble(): Steps<AssembledState> {
    for (const pool of this.#sorted()) {
      yield* pool.assemble();
      if (pool.isEmpty) this.#pools.delete(pool.name);
    }
    const assemblies = this.#sorted();
    const pools = assemblies.flatMap(({ pool }) => pool ?? []);
    const newVips = yield* this.#checkVips(assemblies);
    yield* this.#names.check(this.#pools, newVips);
    yield* this.#checkKeys(pools, assemblies);
    const errors = [...this.#unknown.values(), ...this.#names.errors, ...this.#tooMany(assemblies)];
    const found: Found[] = [
      { ...NOTHING_FOUND, errors },
      ...assemblies.flatMap((assembly) => assembly.found),
      this.#vipsFound,
      this.#resetsFound,
      this.#spacesFound,
    ];
    throwAll(found);
    if (!sameItems(pools, this.#list)) this.#list = pools;
    const state = { revision: revisionText(this.#revision), pools: this.#list };
    return { state, warnings: found.flatMap(({ warnings }) => warnings) };
  }

  #sorted(): PoolAssembly[] {
    return [...this.#pools.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Returns the addresses of all VIPs where some VIP changed. */
  *#checkVips(assemblies: readonly PoolAssembly[]): Steps<ReadonlySet<string> | undefined> {
    const lists = assemblies.map(({ vips }) => vips);
    if (sameItems(lists, this.#vipLists)) return undefined;
    this.#vipLists = lists;
    const report = new Report(this.#places);
    yield* checkVips(assemblies, report);
    this.#vipsFound = foundBy(report);
    return new Set(lists.flat().map(({ address }) => address));
  }

  /** What concerns keys that several configs may share. */
  *#checkKeys(pools: readonly Pool[], assemblies: readonly PoolAssembly[]): Steps<void> {
    const shape = { pools: Object.fromEntries(pools.map((pool) => [pool.name, pool])) };
    const configs = assemblies.map(({ configs: { list } }) => list);
    if (!sameItems(configs, this.#configLists)) {
      this.#configLists = configs;
      const report = new Report(this.#places);
      checkResetKeys(shape, pools, report);
      this.#resetsFound = foundBy(report);
      this.#sharing = poolsWithSharedSpaces(pools);
    }
    const sharing = pools.filter(({ name }) => this.#sharing.has(name));
    if (sameItems(sharing, this.#sharingPools)) return;
    this.#sharingPools = sharing;
    const report = new Report(this.#places);
    yield* checkNonceSpaces(shape, sharing, report);
    this.#spacesFound = foundBy(report);
  }

  #tooMany(assemblies: readonly PoolAssembly[]): CidecarError[] {
    const count = assemblies.reduce((sum, { ids }) => sum + ids.count, 0);
    if (count <= MAX_SERVER_IDS) return [];
    return [new CidecarError('DOCUMENT_INVALID', TOO_MANY_IDS, { file: this.#keys.pools })];
  }
}

function throwAll(found: readonly Found[]): void {
  const all = found.flatMap(({ errors }) => errors);
  all.sort((a, b) => ((a.place.file ?? '') < (b.place.file ?? '') ? -1 : 1));
  const [first, ...rest] = all.slice(0, MAX_FINDINGS);
  if (first === undefined) return;
  const more = found.reduce((sum, each) => sum + each.more, 0);
  throw new DocumentError([first, ...rest], more + all.length - rest.length - 1);
}

function sameItems<Item>(a: readonly Item[], b: readonly Item[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
