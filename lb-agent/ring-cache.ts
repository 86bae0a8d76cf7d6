// SPDX-License-Identifier: Apache-2.0
import type { RingServer } from './assign.js';

type BuildRing = (
  servers: readonly { key: string; real: number; weight: number }[],
  size: number,
) => Uint32Array;

const EMPTY = new Uint32Array();

/**
 * Keeps the rings that were built: most changes of a document are about IDs, and a ring of
 * ten thousand servers takes longer than all the rest.
 */
export class RingCache {
  readonly #build: BuildRing;
  readonly #most: number;
  readonly #rings = new Map<string, Uint32Array>();

  constructor(build: BuildRing, most = 2048) {
    this.#build = build;
    this.#most = most;
  }

  /** Empty without a server. */
  ring(servers: readonly RingServer[], size: number): Uint32Array {
    if (servers.length === 0) return EMPTY;
    const key = `${size} ${servers.map(({ name, real, weight }) => `${name} ${real} ${weight}`).join()}`;
    const known = this.#rings.get(key);
    if (known !== undefined) return known;
    const ring = this.#build(
      servers.map(({ name, real, weight }) => ({ key: name, real, weight })),
      size,
    );
    if (this.#rings.size >= this.#most) this.#rings.clear();
    this.#rings.set(key, ring);
    return ring;
  }
}
