// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import { type FleetView, readFleet } from '../../registry/etcd/fleet/index.js';
import {
  assembled,
  type DesiredSnapshot,
  readDesired,
  stateOf,
} from '../../registry/etcd/index.js';
import type { PoolAssembly } from '../../registry/etcd/store/pool-assembly.js';
import type { Io } from '../io.js';
import type { SharedRegistry } from '../shared-registry.js';

/** Everything in a registry that hosts share, at one revision. */
export interface FleetSnapshot {
  readonly desired: DesiredSnapshot;
  /** By name. A pool is there also where some of its configs cannot be opened. */
  readonly pools: readonly PoolAssembly[];
  readonly view: FleetView;
  /** Of the desired state. */
  readonly revision: number;
}

/** Reads it. What cannot be read of the desired state is told on stderr, once. */
export async function readSnapshot(
  { client, keys, keyring }: SharedRegistry,
  schemes: Schemes,
  io: Io,
): Promise<FleetSnapshot> {
  const desired = await readDesired(client, keys);
  const onUnreadable = (key: string) => io.err(`${key}: cannot be read, so it is left out`);
  const view = await readFleet(client, keys, desired.revision, { onUnreadable });
  const assembly = assembled(desired.entries.values(), { keys, keyring, schemes });
  if (!assembly.begun) {
    const message = `nothing was put into etcd below ${keys.root} yet`;
    throw new CidecarError('REGISTRY_UNAVAILABLE', message);
  }
  const state = stateOf(assembly);
  if (state instanceof CidecarError) {
    for (const part of state.parts) {
      // Who only looks needs no secret.
      if (part.code !== 'KEY_SEALED') io.err(`${part.describe()} (warning)`);
    }
  }
  const revision = desired.entries.get(keys.revision)?.modRevision ?? 0;
  return { desired, pools: assembly.pools, view, revision };
}

/** The pools that `--pool` names, or all. Throws ARGUMENT_INVALID for one that is not there. */
export function poolsNamed(
  { pools }: FleetSnapshot,
  pool: string | undefined,
): readonly PoolAssembly[] {
  if (pool === undefined) return pools;
  const found = pools.filter(({ name }) => name === pool);
  if (found.length > 0) return found;
  throw new CidecarError('ARGUMENT_INVALID', `there is no pool ${pool} in the registry`);
}

/** The pool of a server. Throws SERVER_UNKNOWN. */
export function poolOfServer({ pools }: FleetSnapshot, server: string): PoolAssembly {
  const pool = pools.find(({ servers }) => servers.get(server) !== undefined);
  if (pool !== undefined) return pool;
  throw new CidecarError('SERVER_UNKNOWN', `there is no server ${server} in the registry`);
}
