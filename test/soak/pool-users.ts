// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep, setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { CidPool, type PooledCid } from '../../clients/typescript/index.js';

export interface Tally {
  readonly taken: number;
  /** Routable CIDs of a config that may no longer be issued. */
  readonly stale: number;
  readonly unroutable: number;
}

/** Checks every CID that the pools of this process give. */
export class Auditor {
  /** The ID of the config that every CID must have; null while a rotation is under way. */
  expected: number | null = null;
  #taken = 0;
  #stale = 0;
  #unroutable = 0;

  get tally(): Tally {
    return { taken: this.#taken, stale: this.#stale, unroutable: this.#unroutable };
  }

  look({ cid, routable }: PooledCid): void {
    this.#taken += 1;
    if (!routable) this.#unroutable += 1;
    else if (this.expected !== null && (cid[0] ?? 0) >> 5 !== this.expected) this.#stale += 1;
  }
}

/** A way to use a pool. It continues until the signal fires, and closes what it opened. */
export type PoolUser = (socket: string, auditor: Auditor, signal: AbortSignal) => Promise<void>;

/** Takes every CID as soon as it is there. */
export const fast: PoolUser = async (socket, auditor, signal) => {
  const pool = CidPool.connect({ socket, highWater: 65_536, lowWater: 49_152 });
  await takeUntil(pool, auditor, () => signal.aborted);
  pool.close();
};

/** Takes a few CIDs now and then, like a server with little to do. */
export const lazy: PoolUser = async (socket, auditor, signal) => {
  const pool = CidPool.connect({ socket, highWater: 256 });
  await pool.ready();
  while (!signal.aborted) {
    for (let i = Math.min(5, pool.level); i > 0; i--) auditor.look(pool.take());
    await sleep(20);
  }
  pool.close();
};

/** Opens and closes pools, like a server that is restarted again and again. */
export const reconnecting: PoolUser = async (socket, auditor, signal) => {
  while (!signal.aborted) {
    const pool = CidPool.connect({ socket, highWater: 4096 });
    await pool.ready();
    const end = auditor.tally.taken + 10_000;
    await takeUntil(pool, auditor, () => signal.aborted || auditor.tally.taken >= end);
    pool.close();
    await sleep(50);
  }
};

async function takeUntil(pool: CidPool, auditor: Auditor, done: () => boolean): Promise<void> {
  while (!done()) {
    for (let level = pool.level; level > 0; level--) auditor.look(pool.take());
    await turnOfTheLoop();
  }
}
