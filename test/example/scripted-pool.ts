// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { CidPoolEvents, PooledCid } from '../../clients/typescript/index.js';
import type { Pool } from '../../examples/quic-server/server.js';

/** A pool that runs dry, turns and fails when a test says so. CIDs begin with their generation. */
export class ScriptedPool extends EventEmitter<CidPoolEvents> implements Pool {
  readonly cidLength = 12;
  generation = 1;
  /** CIDs at hand; 0b111 ones behind them. */
  level = Number.POSITIVE_INFINITY;
  /** Generations of the routable ones taken. */
  readonly taken: number[] = [];
  /** Called by each take(), before anything else. */
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

  /** The next generation, and the order to replace all earlier ones at once. */
  turn(): void {
    this.generation += 1;
    this.emit('reissue', { throughGeneration: this.generation - 1, deadline: new Date(0) });
  }

  recover(): void {
    this.level = Number.POSITIVE_INFINITY;
    this.emit('recovered');
  }
}
