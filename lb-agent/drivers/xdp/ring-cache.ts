// SPDX-License-Identifier: Apache-2.0
import type { RingServer } from '../../reconcile/assign.js';

type BuildRing = (
  servers: readonly { key: string; real: number; weight: number }[],
  size: number,
) => Uint32Array;

interface Built {
  readonly of: string;
  readonly ring: Uint32Array;
}

const EMPTY = new Uint32Array();

/** The last one and the one before: a server that drains for a while comes back. */
const MOST = 2;

/**
 * Keeps the rings that were built: most changes of a document are about IDs, and a ring of
 * ten thousand servers takes longer than all the rest. It has megabytes too, so of each pool
 * only the last are kept, and of pools that are gone none.
 */
export class RingCache {
  readonly #build: BuildRing;
  readonly #rings = new Map<string, readonly Built[]>();

  constructor(build: BuildRing) {
    this.#build = build;
  }

  /** Empty without a server. */
  ring(pool: string, servers: readonly RingServer[], size: number): Uint32Array {
    if (servers.length === 0) return EMPTY;
    const of = `${size} ${servers.map(({ name, real, weight }) => `${name} ${real} ${weight}`).join()}`;
    const known = this.#rings.get(pool) ?? [];
    const found = known.find((built) => built.of === of) ?? {
      of,
      ring: this.#built(servers, size),
    };
    this.#rings.set(pool, [found, ...known.filter((built) => built !== found)].slice(0, MOST));
    return found.ring;
  }

  /** Forgets the rings of all pools but these. */
  retain(pools: Iterable<string>): void {
    const wanted = new Set(pools);
    for (const pool of this.#rings.keys()) if (!wanted.has(pool)) this.#rings.delete(pool);
  }

  #built(servers: readonly RingServer[], size: number): Uint32Array {
    return this.#build(
      servers.map(({ name, real, weight }) => ({ key: name, real, weight })),
      size,
    );
  }
}
