// SPDX-License-Identifier: Apache-2.0
import type { InstallOperation } from '../operation.js';
import type { Tables } from '../tables.js';

/** Whose packets were counted in one place. */
type Counted = Map<string, number>;

/**
 * The counters of a balancer under traffic that never pauses, with what they should say: each
 * owner of a place all that was counted for it, and nothing of anybody else.
 */
export class CounterModel {
  readonly #places = new Map<string, Counted>();
  /** Of owners that are there now. */
  #expected = new Map<string, { place: string; packets: number }>();

  apply(operation: InstallOperation): void {
    if (operation.kind === 'reset-vip-counters') this.#places.delete(`row ${operation.row}`);
    if (operation.kind === 'reset-real-counter') this.#places.delete(`real ${operation.index}`);
  }

  /** A packet for everything that can have one. */
  tick(tables: Tables): void {
    const before = this.#expected;
    this.#expected = new Map();
    for (const { owner, place, counts } of owners(tables)) {
      const packets = (before.get(owner)?.packets ?? 0) + (counts ? 1 : 0);
      this.#expected.set(owner, { place, packets });
      if (counts) this.#count(place, owner);
    }
  }

  /** What is wrong; undefined if nothing is. */
  problem(): string | undefined {
    for (const [owner, { place, packets }] of this.#expected) {
      const counted = new Map(this.#places.get(place));
      const own = counted.get(owner) ?? 0;
      counted.delete(owner);
      if (own !== packets) return `${place} says ${own} for ${owner}, and not ${packets}`;
      if (counted.size > 0) return `${place} of ${owner} counts for ${[...counted.keys()]}`;
    }
    return undefined;
  }

  /** Takes over the counters of others, as tables do that are about to replace theirs. */
  carry(from: CounterModel): void {
    for (const [place, counted] of from.#places) this.#places.set(place, new Map(counted));
    this.#expected = new Map(from.#expected);
  }

  /** By place, what was counted there. */
  packets(place: string): number {
    return [...(this.#places.get(place)?.values() ?? [])].reduce((sum, n) => sum + n, 0);
  }

  #count(place: string, owner: string): void {
    const counted = this.#places.get(place) ?? new Map<string, number>();
    counted.set(owner, (counted.get(owner) ?? 0) + 1);
    this.#places.set(place, counted);
  }
}

function* owners(tables: Tables): Generator<{ owner: string; place: string; counts: boolean }> {
  const used = new Set<number>();
  for (const [key, { row, pool, ring }] of tables.vips) {
    yield { owner: `vip ${key}`, place: `row ${row}`, counts: true };
    for (const real of (ring === null ? undefined : tables.rings.get(ring)) ?? []) used.add(real);
    for (const { ids } of tables.pools.get(pool)?.configs.values() ?? []) {
      for (const real of ids.keys()) used.add(real);
    }
  }
  for (const [index, { incarnation, down }] of tables.reals) {
    const owner = `real ${index} incarnation ${incarnation}`;
    yield { owner, place: `real ${index}`, counts: used.has(index) && !down };
  }
}
