// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../../core/index.js';
import { addressIsVip, nameTaken } from '../../document/server-names.js';
import { fieldName } from '../../document/source.js';
import { ITEMS_PER_STEP, type Steps } from '../../document/steps.js';
import type { Keys } from '../layout/keys.js';
import type { PoolAssembly } from './pool-assembly.js';
import type { ServerEntry } from './pool-servers.js';

/** What concerns the servers of all pools: unique names, and addresses that are no VIPs. */
export class ServerNames {
  readonly #keys: Keys;
  readonly #poolsOf = new Map<string, Set<string>>();
  /** Names that several pools have. */
  readonly #twice = new Set<string>();
  /** Errors of servers at a VIP, by key. */
  readonly #atVip = new Map<string, CidecarError>();
  readonly #touched = new Map<string, { readonly pool: string; readonly server: string }>();
  #vips: ReadonlySet<string> = new Set();

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** The key of a server was put or deleted. */
  touch(pool: string, server: string): void {
    this.#touched.set(this.#keys.server(pool, server), { pool, server });
  }

  /** @param vips canonical addresses, or undefined where they are the same as before */
  *check(
    pools: ReadonlyMap<string, PoolAssembly>,
    vips: ReadonlySet<string> | undefined,
  ): Steps<void> {
    let count = 0;
    for (const [key, { pool, server }] of this.#touched) {
      if (++count % ITEMS_PER_STEP === 0) yield;
      const entry = pools.get(pool)?.servers.get(server);
      this.#note(pool, server, entry !== undefined);
      if (vips === undefined) this.#checkAddress(key, entry);
    }
    this.#touched.clear();
    if (vips === undefined) return;
    this.#vips = vips;
    this.#atVip.clear();
    for (const { servers } of pools.values()) {
      for (const entry of servers.entries) {
        if (++count % ITEMS_PER_STEP === 0) yield;
        this.#checkAddress(entry.key, entry);
      }
    }
  }

  get errors(): readonly CidecarError[] {
    const names = [...this.#twice].flatMap((name) => {
      const [first = '', ...others] = [...(this.#poolsOf.get(name) ?? [])].sort();
      const rival = fieldName(['pools', first, 'servers', name]);
      const message = nameTaken(name, rival, this.#keys.server(first, name));
      return others.map(
        (pool) =>
          new CidecarError('DOCUMENT_INVALID', message, { file: this.#keys.server(pool, name) }),
      );
    });
    return [...names, ...this.#atVip.values()];
  }

  #note(pool: string, server: string, present: boolean): void {
    const pools = this.#poolsOf.get(server) ?? new Set();
    if (present) this.#poolsOf.set(server, pools.add(pool));
    else if (pools.delete(pool) && pools.size === 0) this.#poolsOf.delete(server);
    if (pools.size > 1) this.#twice.add(server);
    else this.#twice.delete(server);
  }

  #checkAddress(key: string, entry: ServerEntry | undefined): void {
    if (entry === undefined || !this.#vips.has(entry.address)) {
      this.#atVip.delete(key);
      return;
    }
    const place = { file: key, field: 'address' };
    const message = addressIsVip(entry.value.address);
    this.#atVip.set(key, new CidecarError('DOCUMENT_INVALID', message, place));
  }
}
