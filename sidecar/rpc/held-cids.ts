// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import type { HeldGeneration } from '../../proto/gen/cidecar/v1/sidecar.js';

/** The most generations in one report: a reissue ends each, and few are under way at a time. */
const MAX_GENERATIONS = 64;
/** More than any server has; sums of all clients stay exact. */
const MAX_CONNECTIONS = 2 ** 32 - 1;

/** How many connections of a client hold CIDs of which generation, as it said last. */
export class HeldCids {
  readonly #connections: readonly HeldGeneration[];

  /** Throws ARGUMENT_INVALID. */
  constructor(generations: readonly HeldGeneration[]) {
    if (generations.length > MAX_GENERATIONS) {
      const message = `${generations.length} generations in one HeldCids; the limit is ${MAX_GENERATIONS}`;
      throw new CidecarError('ARGUMENT_INVALID', message);
    }
    if (new Set(generations.map(({ generation }) => generation)).size < generations.length) {
      throw new CidecarError('ARGUMENT_INVALID', 'a HeldCids names a generation twice');
    }
    if (generations.some(({ connections }) => connections > MAX_CONNECTIONS)) {
      throw new CidecarError('ARGUMENT_INVALID', `a HeldCids counts more than ${MAX_CONNECTIONS}`);
    }
    this.#connections = generations;
  }

  /** Connections whose oldest CID is of this generation or of an earlier one. */
  through(throughGeneration: number): number {
    return this.#connections
      .filter(({ generation }) => generation <= throughGeneration)
      .reduce((sum, { connections }) => sum + connections, 0);
  }
}
