// SPDX-License-Identifier: Apache-2.0
import type { Fill } from '../../registry/etcd/fleet/index.js';
import type { Task } from './duties/task.js';

/** IDs of one config, as the controller of the pool counts them. */
export interface IdCount {
  readonly pool: string;
  readonly configId: number;
  readonly state: 'owned' | 'away' | 'free';
  readonly ids: number;
}

/** What a controller did and found, for metrics. */
export class ControllerCounts {
  /** By pool and task. */
  readonly #steps = new Map<string, { pool: string; task: Task; count: number }>();
  /** By pool. */
  readonly #granted = new Map<string, number>();
  readonly #unmet = new Map<string, number>();
  readonly #fills = new Map<string, readonly Fill[]>();

  done(pool: string, task: Task): void {
    const key = `${pool} ${task}`;
    const step = this.#steps.get(key) ?? { pool, task, count: 0 };
    this.#steps.set(key, step);
    step.count += 1;
  }

  granted(pool: string, ids: readonly unknown[]): void {
    this.#granted.set(pool, (this.#granted.get(pool) ?? 0) + ids.length);
  }

  unmet(pool: string, requests: number): void {
    this.#unmet.set(pool, requests);
  }

  fill(pool: string, fills: readonly Fill[]): void {
    this.#fills.set(pool, fills);
  }

  /** What is found of a pool is known only while this agent is its controller. */
  retain(pools: readonly string[]): void {
    for (const found of [this.#unmet, this.#fills]) {
      for (const pool of found.keys()) if (!pools.includes(pool)) found.delete(pool);
    }
  }

  get steps(): Iterable<{ readonly pool: string; readonly task: Task; readonly count: number }> {
    return this.#steps.values();
  }

  get grantedIds(): ReadonlyMap<string, number> {
    return this.#granted;
  }

  get unmetRequests(): ReadonlyMap<string, number> {
    return this.#unmet;
  }

  get ids(): readonly IdCount[] {
    return [...this.#fills].flatMap(([pool, fills]) =>
      fills.flatMap(({ config: { id: configId }, size, owned, away }): IdCount[] => [
        { pool, configId, state: 'owned', ids: owned },
        { pool, configId, state: 'away', ids: away },
        { pool, configId, state: 'free', ids: Math.max(size - owned - away, 0) },
      ]),
    );
  }
}
