// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import {
  RotationLoop,
  type RotationLoopOptions,
  type Term,
} from '../../registry/etcd/fleet/index.js';
import type { Keys } from '../../registry/etcd/layout/index.js';
import type { Keyring } from '../../registry/etcd/store/keyring.js';

/** Times that tests make shorter. */
export type RotationTimes = Pick<
  RotationLoopOptions,
  'quietSeconds' | 'saveEvery' | 'lookEveryMs' | 'readAgainMs' | 'now'
>;

export interface RotationsOptions extends RotationTimes {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly keyring: Keyring;
  readonly agent: string;
  readonly log: Logger;
}

/** The rotations of the pools that this agent is the controller of. */
export class Rotations {
  readonly #options: RotationsOptions;
  readonly #loops = new Map<string, RotationLoop>();
  readonly #closing = new Set<Promise<void>>();
  #terms: readonly Term[] = [];
  #closed = false;

  constructor(options: RotationsOptions) {
    this.#options = options;
  }

  /** These are the terms of this agent now. */
  look(terms: readonly Term[]): void {
    if (this.#closed) return;
    this.#terms = terms;
    const pools = new Set(terms.map(({ pool }) => pool));
    for (const [pool, loop] of this.#loops) if (!pools.has(pool)) this.#end(pool, loop);
    for (const pool of pools) {
      if (!this.#loops.has(pool)) this.#loops.set(pool, this.#begin(pool));
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const [pool, loop] of this.#loops) this.#end(pool, loop);
    await Promise.all(this.#closing);
  }

  #begin(pool: string): RotationLoop {
    const { agent, keyring } = this.#options;
    return new RotationLoop({
      ...this.#options,
      pool,
      by: `lb-agent ${agent}`,
      sealNewKey: (purpose) => keyring.sealNewKey(purpose),
      controller: () => this.#terms.find((term) => term.pool === pool)?.createRevision,
    });
  }

  #end(pool: string, loop: RotationLoop): void {
    this.#loops.delete(pool);
    const closing = loop.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
