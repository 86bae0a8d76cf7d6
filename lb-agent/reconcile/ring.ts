// SPDX-License-Identifier: Apache-2.0
import type { Pool } from '../../registry/index.js';

/** A server that takes new flows. */
export interface RingServer {
  readonly name: string;
  /** Index of its real. */
  readonly real: number;
  /** 1..65535 */
  readonly weight: number;
}

/**
 * Builds the Maglev ring of a pool: a real for each entry, the same on every balancer for the
 * same servers; empty without a server.
 */
export type BuildRing = (pool: Pool, servers: readonly RingServer[]) => Uint32Array;

/** Rings are large and take long to build, so that who builds them may keep some. */
export interface Rings {
  readonly build: BuildRing;
  /** Forgets those of all pools but these. */
  retain(pools: readonly Pool[]): void;
}
