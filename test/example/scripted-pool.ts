// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { CidPoolEvents, PooledCid } from '../../clients/typescript/index.js';
import type { Pool } from '../../examples/quic-server/server.js';

/**
 * A pool that runs dry, changes generation and fails when a test says so. A CID begins with its
 * generation.
 */
export class ScriptedPool extends EventEmitter<CidPoolEvents> implements Pool {
  readonly cidLength = 12;
  generation = 1;
  /** How many routable CIDs it has; after them it gives 0b111 ones. */
  level = Number.POSITIVE_INFINITY;
  /** The generations of the routable CIDs that were taken. */
  readonly taken: number[] = [];
  /** Each take() calls this first. */
  onTake: () => void = () => {};

  take(): PooledCid {
    this.onTake();
    const routable = this.level > 0;
    const cid = randomBytes(this.cidLength);
    cid[0] = routable ? this.generation : 0xeb;
    if (routable) {
      this.level -= 1;
      this.taken.push(this.generation);
    }
    return { cid, token: randomBytes(16), routable, generation: this.generation };
  }

  /** The token of a CID that no connection has; null, as of CIDs of other servers, by default. */
  resetToken(_cid: Uint8Array): Promise<Uint8Array | null> {
    return Promise.resolve(null);
  }

  /** Begins the next generation, and orders all earlier ones to be replaced, at once by default. */
  turn(deadline = new Date(0)): void {
    this.generation += 1;
    this.emit('reissue', { throughGeneration: this.generation - 1, deadline });
  }

  recover(): void {
    this.level = Number.POSITIVE_INFINITY;
    this.emit('recovered');
  }
}
