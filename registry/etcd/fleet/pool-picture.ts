// SPDX-License-Identifier: Apache-2.0
import type { Pool, PoolConfig } from '../../types.js';
import type { FleetView } from './fleet-view.js';
import type { IdUsage } from './id-usage.js';

/** What allocation is decided on: a pool, who owns what in it, and what hosts say. */
export interface PoolPicture {
  readonly pool: Pool;
  readonly usage: IdUsage;
  /** Names of the servers of other pools: a name is one server of the whole registry. */
  readonly elsewhere: Pick<ReadonlySet<string>, 'has'>;
  /** Addresses at which no server can be, because they are VIPs. */
  readonly vips: ReadonlySet<string>;
  readonly view: Pick<FleetView, 'requests' | 'rests' | 'pinned' | 'revision'>;
}

/** IDs under one config that a server is to get. */
export interface GrantedIds {
  readonly config: PoolConfig;
  readonly hexes: readonly string[];
}
