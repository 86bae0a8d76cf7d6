// SPDX-License-Identifier: Apache-2.0
import type { Secret } from '../../../core/index.js';
import { CidecarError } from '../../../core/index.js';
import { ownedTwice } from '../../document/owners.js';
import type { ClusterSecrets } from '../layout/cluster-secret.js';
import { lastOfRun } from '../layout/id-run.js';
import type { Keys } from '../layout/keys.js';
import { valueText } from '../layout/read-value.js';
import { type SealedKey, sealKey } from '../layout/seal.js';
import { type ConfigValue, configValueText, sealedField } from '../layout/values/config.js';
import { idValueText } from '../layout/values/desired.js';
import type { RestValue } from '../layout/values/ids.js';
import type { Assembly } from '../store/assembly.js';
import type { Keyring } from '../store/keyring.js';
import type { PoolAssembly } from '../store/pool-assembly.js';
import { RunTable } from '../store/run-table.js';
import { hexOf, type IdChange, idChanges, type NewRun, type OldRun } from './id-changes.js';
import { outOfRest, type RestingIds } from './resting-ids.js';
import type { WantedConfig, WantedPool } from './wanted.js';

/** A key to put, or one or all of a prefix to delete. */
export type KeyChange =
  | { readonly put: string; readonly value: string }
  | { readonly remove: string; readonly prefix?: true };

/** Changes that belong into one transaction, and the step to which they belong. */
export interface Atom {
  readonly step: Step;
  readonly changes: readonly KeyChange[];
}

/**
 * The order of a document that is put in by several transactions. Balancers know everything
 * before it is used: servers and IDs come before the config that mints them and the VIPs that
 * lead to them, and what is taken away goes last.
 */
export const STEPS = [
  'clear',
  'new pools',
  'new configs',
  'servers',
  'ids',
  'configs',
  'pools',
  'removals',
] as const;
export type Step = (typeof STEPS)[number];

export interface KeyChangeOptions {
  readonly keys: Keys;
  readonly keyring: Keyring;
  /** To seal keys by; undefined where this host has none. */
  readonly secrets: ClusterSecrets | undefined;
  /** Keys below the desired state that stand for nothing that can be read. */
  readonly unreadable: readonly string[];
  /** IDs in quarantine, by pool and config. */
  readonly resting: RestingIds;
}

/** What has to change in etcd so that it holds what a document says. Nothing where it does. */
export function keyChanges(
  present: Assembly,
  wanted: readonly WantedPool[],
  options: KeyChangeOptions,
): Atom[] {
  const { keys, unreadable } = options;
  const atoms: Atom[] = [];
  const pools = new Map(present.pools.map((pool) => [pool.name, pool]));
  for (const pool of wanted) {
    for (const atom of new PoolChanges(pool, pools.get(pool.name), options).all()) atoms.push(atom);
    pools.delete(pool.name);
  }
  for (const name of pools.keys()) {
    const removal: KeyChange = { remove: keys.allOf(name), prefix: true };
    atoms.push({ step: 'removals', changes: [removal] });
  }
  const put = new Set(
    atoms.flatMap(({ changes }) => changes.map((c) => ('put' in c ? c.put : ''))),
  );
  for (const key of unreadable) {
    if (!put.has(key)) atoms.push({ step: 'clear', changes: [{ remove: key }] });
  }
  return atoms.sort((a, b) => STEPS.indexOf(a.step) - STEPS.indexOf(b.step));
}

class PoolChanges {
  readonly #wanted: WantedPool;
  readonly #present: PoolAssembly | undefined;
  readonly #options: KeyChangeOptions;
  readonly #atoms: Atom[] = [];

  constructor(wanted: WantedPool, present: PoolAssembly | undefined, options: KeyChangeOptions) {
    this.#wanted = wanted;
    this.#present = present;
    this.#options = options;
  }

  all(): readonly Atom[] {
    this.#ofPool();
    this.#ofConfigs();
    this.#ofServers();
    this.#ofIds();
    return this.#atoms;
  }

  #add(step: Step, ...changes: KeyChange[]): void {
    if (changes.length > 0) this.#atoms.push({ step, changes });
  }

  #ofPool(): void {
    const { name, value } = this.#wanted;
    const key = this.#options.keys.pool(name);
    const present = this.#present?.value;
    const text = valueText(value);
    if (present !== undefined && valueText(present) === text) return;
    // The servers come before the VIPs that lead to them.
    if (present === undefined && value.vips.length > 0) {
      this.#add('new pools', { put: key, value: valueText({ ...value, vips: [] }) });
      this.#add('pools', { put: key, value: text });
    } else this.#add(present === undefined ? 'new pools' : 'pools', { put: key, value: text });
  }

  #ofConfigs(): void {
    const { name, configs } = this.#wanted;
    const { keys } = this.#options;
    const present = new Map(this.#present?.configs.values ?? []);
    const switched: KeyChange[] = [];
    for (const config of configs) {
      const before = present.get(config.id);
      const value = this.#configValue(config, before);
      const text = configValueText(value);
      const key = keys.config(name, config.id);
      present.delete(config.id);
      if (before !== undefined && configValueText(before) === text) continue;
      if (before === undefined && config.shape.state === 'minting') {
        const staged: ConfigValue = { ...value, shape: { ...value.shape, state: 'staged' } };
        this.#add('new configs', { put: key, value: configValueText(staged) });
        switched.push({ put: key, value: text });
      } else if (before !== undefined && sameMeaning(before, value)) {
        switched.push({ put: key, value: text });
      } else this.#add('new configs', { put: key, value: text });
    }
    // One config stops being minted as another begins.
    this.#add('configs', ...switched);
    for (const id of present.keys()) {
      const ids: KeyChange = { remove: keys.ids(name, id), prefix: true };
      this.#add('removals', ids, { remove: keys.config(name, id) });
    }
  }

  #configValue({ id, shape, keys }: WantedConfig, before: ConfigValue | undefined): ConfigValue {
    const sealed = [...keys].map(([field, key]): [string, SealedKey] => {
      const there = before?.sealed[field];
      const purpose = { pool: this.#wanted.name, config: id, kind: sealedField(field) };
      if (there !== undefined && this.#opensTo(there, purpose, key)) return [field, there];
      const { secrets } = this.#options;
      if (secrets === undefined) {
        throw new CidecarError(
          'ARGUMENT_INVALID',
          `--cluster-secret is needed: pool ${this.#wanted.name} has keys, which are sealed in etcd`,
        );
      }
      return [field, sealKey(key, purpose, secrets)];
    });
    return { shape, sealed: Object.fromEntries(sealed) };
  }

  #opensTo(sealed: SealedKey, purpose: Parameters<Keyring['open']>[1], key: Secret): boolean {
    try {
      return this.#options.keyring.open(sealed, purpose).equals(key);
    } catch (error) {
      if (error instanceof CidecarError) return false;
      throw error;
    }
  }

  #ofServers(): void {
    const { name, servers } = this.#wanted;
    const { keys } = this.#options;
    for (const [server, value] of servers) {
      const before = this.#present?.servers.get(server);
      const text = valueText(value);
      if (before !== undefined && valueText(before.value) === text) continue;
      this.#add('servers', { put: keys.server(name, server), value: text });
    }
    for (const server of this.#gone()) {
      this.#add('removals', { remove: keys.server(name, server) });
    }
  }

  /** Servers that the document has no longer. */
  #gone(): readonly string[] {
    const { servers } = this.#wanted;
    const present = [...(this.#present?.servers.entries ?? [])];
    return present.flatMap(({ name, value }) =>
      servers.has(name) || value.registered === true ? [] : [name],
    );
  }

  #ofIds(): void {
    const { name, runs, configs } = this.#wanted;
    const { keys } = this.#options;
    const gone = new Set(this.#gone());
    for (const { id } of configs) {
      const wanted = runs.get(id) ?? [];
      const there = (this.#present?.ids.runsOf(id) ?? []).filter(
        ({ server }) => !this.#isRegistered(server),
      );
      const digits = wanted[0]?.hex.length ?? there[0]?.hex.length;
      for (const run of there) {
        if (run.hex.length !== digits) this.#add('clear', { remove: run.key });
      }
      const fitting = there
        .filter(({ hex }) => hex.length === digits)
        .map((run) => (gone.has(run.server) ? { ...run, allocated: false } : run));
      const kept = new RunTable();
      for (const run of fitting) if (run.allocated) kept.put(run);
      for (const run of this.#present?.ids.runsOf(id) ?? []) {
        if (this.#isRegistered(run.server)) kept.put(run);
      }
      for (const change of idChanges(fitting, wanted)) {
        for (const made of change.made) refuseTaken(keys.id(name, id, made.hex), made, kept);
        const step = change.made.length > 0 ? 'ids' : 'removals';
        this.#add(step, ...this.#idOperations(keys, name, id, change));
      }
    }
  }

  /** Whether a server was registered by its sidecar, and is not named by the document. */
  #isRegistered(server: string): boolean {
    if (this.#wanted.servers.has(server)) return false;
    return this.#present?.servers.get(server)?.value.registered === true;
  }

  #idOperations(keys: Keys, pool: string, config: number, { old, made }: IdChange): KeyChange[] {
    const put = new Set(made.map(({ hex }) => hex));
    const resting = made.length === 0 ? [] : this.#options.resting(pool, config);
    return [
      ...old.flatMap(({ run }): KeyChange[] => (put.has(run.hex) ? [] : [{ remove: run.key }])),
      ...made.map(({ hex, server, count }): KeyChange => {
        return { put: keys.id(pool, config, hex), value: idValueText({ server, count }) };
      }),
      ...old.flatMap((each) => this.#toRest(keys, pool, config, each)),
      ...resting.flatMap((rest): KeyChange[] => {
        const { stays, kept } = outOfRest(rest, made);
        const puts = kept.map(({ hex, value }): KeyChange => {
          return { put: keys.restId(pool, config, hex), value: valueText(value) };
        });
        return stays ? puts : [{ remove: rest.key }, ...puts];
      }),
    ];
  }

  /** Where IDs are handed out, one that was taken away is at rest before somebody else gets it. */
  #toRest(keys: Keys, pool: string, config: number, { run, freed }: OldRun): KeyChange[] {
    const allocates = this.#wanted.value.allocation ?? this.#present?.value?.allocation;
    if (allocates === undefined) return [];
    return freed.map(({ first, last }) => {
      const count = Number(last - first) + 1;
      const value: RestValue = { server: run.server, count, restedSeconds: 0 };
      const hex = hexOf(first, run.hex.length);
      return { put: keys.restId(pool, config, hex), value: valueText(value) };
    });
  }
}

/** IDs that were handed out to somebody else cannot be given away by a document. */
function refuseTaken(key: string, { hex, count, server }: NewRun, kept: RunTable): void {
  const last = lastOfRun(hex, count) ?? hex;
  const rival = kept.meeting({ key, hex, last, count, server, allocated: false });
  if (rival === undefined) return;
  const id = [rival.hex, hex].sort().at(-1) ?? hex;
  const message = ownedTwice(id, server, rival.server, `${rival.key}, where it was handed out`);
  throw new CidecarError('DOCUMENT_INVALID', message);
}

/** Whether two values of a config differ in their states and the names of files at most. */
function sameMeaning(a: ConfigValue, b: ConfigValue): boolean {
  const meaning = ({ shape: { scheme, values }, sealed }: ConfigValue) => {
    const named = Object.entries(values).map(([name, value]) => {
      return [
        name,
        scheme.documentForm.fields[name]?.kind === 'key-file' ? value !== undefined : value,
      ];
    });
    return JSON.stringify([scheme.name, named, sealed]);
  };
  return meaning(a) === meaning(b);
}
