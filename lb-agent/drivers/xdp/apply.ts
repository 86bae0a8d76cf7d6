// SPDX-License-Identifier: Apache-2.0
import { type Balancer, NO_MTU, type RealSpec, type VipSpec } from '../../../bpf/tables/index.js';
import type { NextHop } from '../../reconcile/next-hop.js';
import type { Operation } from '../../reconcile/operation.js';
import type { ConfigEntry, RealEntry, VipEntry } from '../../reconcile/tables.js';
import { fromKernel, toKernel } from './next-hop.js';

/** Where tunnels come from, by family of the server; null: this host has no such address. */
export interface TunnelSources {
  readonly source4: string | null;
  readonly source6: string | null;
}

/** Octets of the longest outer packet on the way to a server, by its address; others have no entry. */
export type ServerMtus = ReadonlyMap<string, number>;

/** Of the IDs of a config; with more changes, building its table anew is faster. */
const REBUILD_SHARE = 0.5;

/** Carries out operations on one set of the kernel's tables. */
export class Applier {
  readonly #balancer: Balancer;
  readonly #serverMtus: ServerMtus;
  #sources: TunnelSources;
  /** First entry of each ring, by the number that the plan gave it. */
  readonly #rings = new Map<number, number>();

  constructor(balancer: Balancer, sources: TunnelSources, serverMtus: ServerMtus = new Map()) {
    this.#balancer = balancer;
    this.#sources = sources;
    this.#serverMtus = serverMtus;
  }

  /** First entries of the rings that were added and not freed since. */
  get rings(): number[] {
    return [...this.#rings.values()];
  }

  /** From now on these rings go by the number of their first entry, as they were read. */
  renumberRings(firstEntries: Iterable<number>): void {
    this.#rings.clear();
    for (const first of firstEntries) this.#rings.set(first, first);
  }

  /** Of reals that are set from now on. */
  useSources(sources: TunnelSources): void {
    this.#sources = sources;
  }

  /** Gives the reals that are programmed already the MTUs of their servers. */
  applyServerMtus(): void {
    for (const { index, address, mtu } of this.#balancer.reals()) {
      const wanted = this.#mtuOf(address);
      if (mtu !== wanted) this.#balancer.setMtu(index, wanted);
    }
  }

  /** Whether the kernel has a real in exactly this way. */
  holdsReal(index: number, real: RealEntry): boolean {
    return this.#balancer.holdsReal(index, this.#specOf(real));
  }

  /** Whether the kernel has a VIP in exactly this way. */
  holdsVip(vip: VipEntry): boolean {
    return this.#balancer.holdsVip(this.#vipSpecOf(vip));
  }

  holdsRing(ring: number, reals: Uint32Array): boolean {
    return this.#balancer.holdsRing(this.#firstOf(ring), reals);
  }

  apply(operation: Operation): void {
    const balancer = this.#balancer;
    switch (operation.kind) {
      case 'remove-vip':
        balancer.removeVip(operation.vip);
        return;
      case 'set-vip':
        balancer.setVip(this.#vipSpecOf(operation.vip));
        return;
      case 'reset-vip-counters':
        balancer.zeroVipCounters(operation.row);
        return;
      case 'set-real':
        this.#setReal(operation.index, operation.real);
        return;
      case 'set-next-hop':
        balancer.setNextHop(operation.index, toKernel(operation.nextHop));
        return;
      case 'set-down':
        if (!operation.down) this.#requireNextHop(operation.index);
        balancer.setDown(operation.index, operation.down);
        return;
      case 'clear-real':
        balancer.clearReal(operation.index);
        return;
      case 'reset-real-counter':
        balancer.zeroRealCounter(operation.index);
        return;
      case 'note-incarnation':
        balancer.noteIncarnation(operation.index, operation.incarnation);
        return;
      case 'set-config':
        balancer.setConfig(operation.pool, operation.entry.decodePlan, pairsOf(operation.entry));
        return;
      case 'clear-config':
        balancer.clearConfig(operation.pool, operation.config);
        return;
      case 'set-ids': {
        const { pool, config, changes, entry } = operation;
        if (changes.length > REBUILD_SHARE * countOf(entry)) {
          balancer.setConfig(pool, entry.decodePlan, pairsOf(entry));
          return;
        }
        for (const { serverId, real } of changes) {
          balancer.setServerId(pool, config, serverId, real);
        }
        return;
      }
      case 'add-ring': {
        const first = balancer.allocateRing(operation.reals.length);
        this.#rings.set(operation.ring, first);
        balancer.setRing(first, operation.reals);
        return;
      }
      case 'change-ring':
        balancer.setRing(this.#firstOf(operation.ring), operation.reals);
        return;
      case 'free-ring':
        balancer.freeRing(this.#firstOf(operation.ring));
        this.#rings.delete(operation.ring);
        return;
      case 'restore-settings':
        // What the settings are to be, the driver knows.
        balancer.restoreMasks();
        return;
      case 'sweep':
        balancer.sweep();
        return;
    }
  }

  #vipSpecOf({ row, address, port, protocol, quic, pool, ring }: VipEntry): VipSpec {
    const first = ring === null ? 0 : this.#firstOf(ring);
    return { vip: row, address, port, protocol, quic, pool, ring: first };
  }

  #setReal(index: number, real: RealEntry): void {
    const { encapsulation, down, nextHop } = real;
    if (!down) refuseLoop(index, encapsulation, nextHop);
    this.#balancer.setReal(index, this.#specOf(real));
  }

  #specOf({ address, encapsulation, incarnation, down, nextHop }: RealEntry): RealSpec {
    const { source4, source6 } = this.#sources;
    return {
      address,
      encapsulation,
      incarnation,
      down,
      nextHop: toKernel(nextHop),
      mtu: this.#mtuOf(address),
      ...(source4 === null ? {} : { source4 }),
      ...(source6 === null ? {} : { source6 }),
    };
  }

  #mtuOf(address: string): number {
    return this.#serverMtus.get(address) ?? NO_MTU;
  }

  #requireNextHop(index: number): void {
    const real = this.#balancer.real(index);
    if (real !== undefined) refuseLoop(index, real.encapsulation, fromKernel(real.nextHop));
  }

  #firstOf(ring: number): number {
    const first = this.#rings.get(ring);
    if (first === undefined) throw new Error(`there is no ring ${ring}`);
    return first;
  }
}

/** A packet for an l2 server that goes back meets the router that sent it here. */
function refuseLoop(index: number, encapsulation: string, nextHop: NextHop): void {
  if (encapsulation !== 'l2' || nextHop.kind !== 'reply') return;
  throw new Error(`the l2 real ${index} would come up without a next hop`);
}

function countOf({ ids }: ConfigEntry): number {
  return [...ids.values()].reduce((count, list) => count + list.count, 0);
}

function* pairsOf({ ids }: ConfigEntry): Generator<[Uint8Array, number]> {
  for (const [real, list] of ids) for (const id of list) yield [id, real];
}
