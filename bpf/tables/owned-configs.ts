// SPDX-License-Identifier: Apache-2.0
import type { Region } from './region-allocator.js';

interface OwnedConfig {
  readonly pool: number;
  /** As they were written. */
  readonly octets: Uint8Array;
  /** Of its table in server_ids. */
  readonly region: Region;
}

/**
 * What this process has published, by row of `configs`. The kernel's arrays may be changed by
 * others, and what they say then must not lead us to free rows of another config.
 */
export class OwnedConfigs {
  readonly #rows = new Map<number, OwnedConfig>();

  add(row: number, pool: number, octets: Uint8Array, region: Region): void {
    this.#rows.set(row, { pool, octets: octets.slice(), region });
  }

  /** Forgets a row; undefined where it is none of ours. */
  take(row: number): OwnedConfig | undefined {
    const owned = this.#rows.get(row);
    this.#rows.delete(row);
    return owned;
  }

  /** Whether a row is of this pool, and holds what was written. */
  matches(row: number, pool: number, octets: Uint8Array): boolean {
    const owned = this.#rows.get(row);
    return owned !== undefined && owned.pool === pool && Buffer.compare(owned.octets, octets) === 0;
  }
}
