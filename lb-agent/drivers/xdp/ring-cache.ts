// SPDX-License-Identifier: Apache-2.0
import { buildRing } from '../../../bpf/tables/index.js';
import type { RingServer, Rings } from '../../reconcile/ring.js';
import { poolRingSize } from './capacity.js';

type BuildEntries = (
  servers: readonly { key: string; real: number; weight: number }[],
  size: number,
) => Uint32Array;

interface Built {
  readonly of: string;
  readonly ring: Uint32Array;
}

const EMPTY = new Uint32Array();

/** Rings kept of each pool: a server that drains for a while comes back, and so does its ring. */
const KEPT = 2;

/** Maglev rings, a cache of them included. */
export function maglevRings(): Rings {
  const cache = new RingCache(buildRing);
  return {
    build: (pool, servers) => cache.ring(pool.name, servers, poolRingSize(pool)),
    retain: (pools) => cache.retain(pools.map(({ name }) => name)),
  };
}

/**
 * Keeps the rings that were built: most changes of a document are about IDs, and a ring of ten
 * thousand servers takes longer to build than all the rest. It has megabytes too, so of each
 * pool only the last ones are kept, and of pools that are gone none.
 */
export class RingCache {
  readonly #build: BuildEntries;
  readonly #rings = new Map<string, readonly Built[]>();

  constructor(build: BuildEntries) {
    this.#build = build;
  }

  /** Empty without a server. */
  ring(pool: string, servers: readonly RingServer[], size: number): Uint32Array {
    if (servers.length === 0) return EMPTY;
    const of = `${size} ${servers.map(({ name, real, weight }) => `${name} ${real} ${weight}`).join()}`;
    const known = this.#rings.get(pool) ?? [];
    const found = known.find((built) => built.of === of) ?? {
      of,
      ring: this.#entries(servers, size),
    };
    this.#rings.set(pool, [found, ...known.filter((built) => built !== found)].slice(0, KEPT));
    return found.ring;
  }

  /** Forgets the rings of all pools but these. */
  retain(pools: Iterable<string>): void {
    const wanted = new Set(pools);
    for (const pool of this.#rings.keys()) if (!wanted.has(pool)) this.#rings.delete(pool);
  }

  #entries(servers: readonly RingServer[], size: number): Uint32Array {
    return this.#build(
      servers.map(({ name, real, weight }) => ({ key: name, real, weight })),
      size,
    );
  }
}
