// SPDX-License-Identifier: Apache-2.0
import type { Balancer, NextHop } from '../../../bpf/tables/index.js';
import type { ConfigEntry, RealEntry } from '../../reconcile/model.js';
import type { Operation } from '../../reconcile/plan.js';

/** Where tunnels come from, and how packets leave. */
export interface Egress {
  readonly source4: string | null;
  readonly source6: string | null;
  /** Null: none is known, and what is there stays. */
  readonly nextHop: (real: RealEntry) => NextHop | null;
}

/** More changes than this, and building the table anew is faster than changing it. */
const REBUILD_SHARE = 0.5;

/**
 * Carries out operations on the kernel's tables. Each is whole by itself: the process may
 * end between any two, or the kernel refuse one.
 */
export class Applier {
  readonly #balancer: Balancer;
  readonly #egress: Egress;
  /** First entry of each pool's ring; 0 is none. */
  readonly #rings = new Map<number, number>();

  constructor(balancer: Balancer, egress: Egress) {
    this.#balancer = balancer;
    this.#egress = egress;
    for (const { pool, ring } of balancer.vips()) this.#rings.set(pool, ring);
  }

  apply(operation: Operation): void {
    const balancer = this.#balancer;
    switch (operation.kind) {
      case 'remove-vip':
        balancer.removeVip(operation.vip);
        return;
      case 'set-vip': {
        const { row, address, port, protocol, quic, pool } = operation.vip;
        const ring = this.#rings.get(pool) ?? 0;
        balancer.setVip({ vip: row, address, port, protocol, quic, pool, ring });
        return;
      }
      case 'set-real':
        this.#setReal(operation.index, operation.real);
        return;
      case 'set-down':
        if (!operation.down) this.#checkWay(operation.index);
        balancer.setDown(operation.index, operation.down);
        return;
      case 'clear-real':
        balancer.clearReal(operation.index);
        return;
      case 'set-config':
        balancer.setConfig(operation.pool, operation.entry.plan, pairsOf(operation.entry));
        return;
      case 'clear-config':
        balancer.clearConfig(operation.pool, operation.config);
        return;
      case 'set-ids': {
        const { pool, config, changes, entry } = operation;
        if (changes.length > REBUILD_SHARE * countOf(entry)) {
          balancer.setConfig(pool, entry.plan, pairsOf(entry));
          return;
        }
        for (const { serverId, real } of changes) {
          balancer.setServerId(pool, config, serverId, real);
        }
        return;
      }
      case 'set-ring':
        this.#setRing(operation.pool, operation.ring);
        return;
      case 'clear-ring':
        this.#setRing(operation.pool, new Uint32Array());
        return;
    }
  }

  /** Back where it came from, a packet for an l2 server meets the router that sent it here. */
  #checkWay(index: number): void {
    const real = this.#balancer.real(index);
    if (real?.encapsulation !== 'l2' || real.nextHop.mac.some((octet) => octet !== 0)) return;
    throw new Error(`the l2 real ${index} would come up without a next hop`);
  }

  #setReal(index: number, real: RealEntry): void {
    const { source4, source6 } = this.#egress;
    const nextHop = this.#egress.nextHop(real);
    if (nextHop === null && real.encapsulation === 'l2' && !real.down) {
      throw new Error(`the l2 real ${index} would come up without a next hop`);
    }
    this.#balancer.setReal(index, {
      address: real.address,
      encapsulation: real.encapsulation,
      incarnation: real.incarnation,
      down: real.down,
      ...(source4 === null ? {} : { source4 }),
      ...(source6 === null ? {} : { source6 }),
      ...(nextHop === null ? {} : { nextHop }),
    });
  }

  /** In place where the size stays, else a new ring that the pool's VIPs then name. */
  #setRing(pool: number, ring: Uint32Array): void {
    const balancer = this.#balancer;
    const vips = balancer.vips().filter((vip) => vip.pool === pool);
    const named = new Set([...vips.map((vip) => vip.ring), this.#rings.get(pool) ?? 0]);
    named.delete(0);
    const [only, ...others] = named;
    if (only !== undefined && others.length === 0 && balancer.ring(only).length === ring.length) {
      balancer.setRing(only, ring);
      return;
    }
    const first = ring.length === 0 ? 0 : balancer.allocateRing(ring.length);
    if (first !== 0) balancer.setRing(first, ring);
    for (const vip of vips) balancer.setVip({ ...vip, ring: first });
    this.#rings.set(pool, first);
    for (const old of named) balancer.freeRing(old);
  }
}

function countOf({ ids }: ConfigEntry): number {
  return [...ids.values()].reduce((count, list) => count + list.count, 0);
}

function* pairsOf({ ids }: ConfigEntry): Generator<[Uint8Array, number]> {
  for (const [real, list] of ids) for (const id of list) yield [id, real];
}
