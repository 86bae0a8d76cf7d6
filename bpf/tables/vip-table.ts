// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/errors.js';
import type { ArrayView } from './array-view.js';
import { type Clock, GRACE_MS } from './grace-period.js';
import { VIP_ADDRESS, VIP_BUCKET, VIP_QUIC, VIP_SLOT } from './layout.js';
import { addressOctets, addressText } from './mapped-address.js';
import { vipBuckets } from './vip-hash.js';
import { markerOf, PROTOCOLS, type RawKey, rawKey, type VipKey } from './vip-key.js';

export type { VipKey, VipProtocol } from './vip-key.js';

export interface VipSpec extends VipKey {
  /** Row of its counters, 1 or more. */
  readonly vip: number;
  /** Whether CIDs are read. */
  readonly quic: boolean;
  readonly pool: number;
  /** First entry of its ring; 0 if there is no server. */
  readonly ring: number;
}

/** The publish word of an address marker: not 0, and no row of the counters. */
const MARKER_ROW = 0xffff_ffff;
/** Most moves in one chain. A table that needs more is too full to be worth the time. */
const MOST_MOVES = 8;

/** The array `vip_table`: two buckets for each VIP, and two slots in each bucket. */
export class VipTable {
  readonly #view: ArrayView;
  readonly #mask: number;
  readonly #clock: Clock;
  /** Freed slots, by their offset, that a packet may still be reading, and until what time. */
  readonly #inGrace = new Map<number, number>();

  /** @param buckets a power of two: how many values of `view` are in use */
  constructor(view: ArrayView, buckets: number, clock: Clock) {
    view.check(buckets - 1);
    if (buckets & (buckets - 1)) throw new RangeError(`${buckets} buckets: not a power of two`);
    this.#view = view;
    this.#mask = buckets - 1;
    this.#clock = clock;
  }

  /** Adds a VIP or changes it in place. @throws CidecarError MAP_FULL */
  set(spec: VipSpec): void {
    const key = rawKey(spec);
    this.#put(markerOf(key), { vip: MARKER_ROW, flags: VIP_ADDRESS, pool: 0, ring: 0 });
    const { vip, pool, ring } = spec;
    this.#put(key, { vip, flags: spec.quic ? VIP_QUIC : 0, pool, ring });
  }

  /** False: there was none. */
  remove(key: VipKey): boolean {
    const raw = rawKey(key);
    const slots = this.#slotsOf(raw);
    for (const slot of slots) this.#clear(slot);
    const address = addressText(raw.address);
    if (slots.length > 0 && !this.list().some((vip) => vip.address === address)) {
      for (const slot of this.#slotsOf(markerOf(raw))) this.#clear(slot);
    }
    return slots.length > 0;
  }

  /** Slots in use that no packet finds: others have written them, or changed their keys. */
  #strays(): number[] {
    const strays: number[] = [];
    for (let slot = 0; slot < (this.#mask + 1) * VIP_BUCKET.size; slot += VIP_SLOT.size) {
      const row = this.#view.load32(slot + VIP_SLOT.vip);
      if (row === 0) continue;
      const key = this.#rawKeyAt(slot);
      const known =
        row === MARKER_ROW ? key.protocol === 0 : key.protocol === 6 || key.protocol === 17;
      if (!known || !this.#candidates(key).includes(slot)) strays.push(slot);
    }
    return strays;
  }

  /** Whether {@link sweep} has anything to remove. */
  get unswept(): number {
    const addresses = new Set(this.list().map(({ address }) => address));
    const marks = this.markers().filter((address) => !addresses.has(address));
    return this.#strays().length + marks.length;
  }

  /** Whether a VIP is there in exactly this way, and its address is marked. */
  holds(spec: VipSpec): boolean {
    const slots = this.#slotsOf(rawKey(spec));
    const marked = this.#slotsOf(markerOf(rawKey(spec))).length > 0;
    return (
      marked &&
      slots.length > 0 &&
      slots.every((slot) => {
        const { vip, quic, pool, ring } = this.#read(slot);
        return vip === spec.vip && quic === spec.quic && pool === spec.pool && ring === spec.ring;
      })
    );
  }

  /**
   * Removes the marks of addresses without a VIP, which a process left that died too early, and
   * slots that no packet finds.
   */
  sweep(): void {
    for (const slot of this.#strays()) this.#clear(slot);
    const addresses = new Set(this.list().map(({ address }) => address));
    for (const address of this.markers()) {
      if (addresses.has(address)) continue;
      const key = markerOf({ address: addressOctets(address), port: 0, protocol: 0 });
      for (const slot of this.#slotsOf(key)) this.#clear(slot);
    }
  }

  get(key: VipKey): VipSpec | undefined {
    const slot = this.#slotsOf(rawKey(key))[0];
    return slot === undefined ? undefined : this.#read(slot);
  }

  /** Every VIP that the kernel holds. */
  list(): VipSpec[] {
    const vips = new Map<string, VipSpec>();
    for (let slot = 0; slot < (this.#mask + 1) * VIP_BUCKET.size; slot += VIP_SLOT.size) {
      const row = this.#view.load32(slot + VIP_SLOT.vip);
      if (row === 0 || row === MARKER_ROW) continue;
      const vip = this.#read(slot);
      vips.set(`${vip.protocol} ${vip.address} ${vip.port}`, vip);
    }
    return [...vips.values()];
  }

  /** Addresses that are marked as some VIP's. */
  markers(): string[] {
    const addresses = new Set<string>();
    for (let slot = 0; slot < (this.#mask + 1) * VIP_BUCKET.size; slot += VIP_SLOT.size) {
      if (this.#view.load32(slot + VIP_SLOT.vip) === MARKER_ROW) {
        addresses.add(addressText(this.#view.octets.subarray(slot, slot + 16)));
      }
    }
    return [...addresses];
  }

  #put(key: RawKey, fields: { vip: number; flags: number; pool: number; ring: number }): void {
    const present = this.#slotsOf(key);
    const slots = present.length > 0 ? present : [this.#free(key) ?? this.#makeRoom(key)];
    // While a VIP is moved, two slots hold it for a moment.
    for (const slot of slots) {
      const { octets } = this.#view;
      if (present.length === 0) octets.set(key.address, slot + VIP_SLOT.address);
      const ports = (key.port >> 8) | ((key.port & 0xff) << 8) | (key.protocol << 16);
      this.#view.store32(slot + VIP_SLOT.port, ports | (fields.flags << 24));
      // Pool and ring are one word, so that no packet sees the pool of one and the ring of another.
      const poolAndRing = BigInt(fields.pool) | (BigInt(fields.ring) << 32n);
      this.#view.store64(slot + VIP_SLOT.pool, poolAndRing);
      this.#view.store32(slot + VIP_SLOT.vip, fields.vip);
    }
  }

  #slotsOf(key: RawKey): number[] {
    const { octets } = this.#view;
    return this.#candidates(key).filter((slot) => {
      if (this.#view.load32(slot + VIP_SLOT.vip) === 0) return false;
      const found = this.#rawKeyAt(slot);
      return (
        found.port === key.port &&
        found.protocol === key.protocol &&
        Buffer.compare(octets.subarray(slot, slot + 16), key.address) === 0
      );
    });
  }

  #candidates(key: RawKey): number[] {
    const [first, second] = vipBuckets(key.address, key.port, key.protocol, this.#mask);
    const buckets = first === second ? [first] : [first, second];
    return buckets.flatMap((bucket) => [
      bucket * VIP_BUCKET.size,
      bucket * VIP_BUCKET.size + VIP_SLOT.size,
    ]);
  }

  #free(key: RawKey): number | undefined {
    return this.#candidates(key).find((slot) => this.#isFree(slot));
  }

  #isFree(slot: number): boolean {
    if (this.#view.load32(slot + VIP_SLOT.vip) !== 0) return false;
    const until = this.#inGrace.get(slot);
    if (until !== undefined && until > this.#clock.now()) return false;
    this.#inGrace.delete(slot);
    return true;
  }

  /**
   * Makes room by moving other VIPs to their second buckets, the last of a chain first. Each is
   * copied and then removed from its old slot, so that packets find it at all times, and a slot
   * takes another VIP only after the grace period. This is rare, because the table is at most
   * half full.
   */
  #makeRoom(key: RawKey): number {
    const before = new Map<number, number | undefined>();
    let front = this.#candidates(key);
    for (const slot of front) before.set(slot, undefined);
    for (let depth = 0; depth < MOST_MOVES && front.length > 0; depth++) {
      const next: number[] = [];
      for (const slot of front) {
        if (this.#isInGraceAt(slot)) this.#waitForGrace();
        if (this.#isFree(slot)) return this.#shift(slot, before);
        for (const other of this.#candidates(this.#rawKeyAt(slot))) {
          if (before.has(other)) continue;
          before.set(other, slot);
          if (this.#isFree(other)) return this.#shift(other, before);
          next.push(other);
        }
      }
      front = next;
    }
    throw new CidecarError('MAP_FULL', 'vip_table has no place left for a VIP');
  }

  /** Moves each VIP of a chain one step towards the free slot; returns the slot that gets free. */
  #shift(free: number, before: ReadonlyMap<number, number | undefined>): number {
    let target = free;
    for (let from = before.get(target); from !== undefined; from = before.get(target)) {
      const { octets } = this.#view;
      octets.copyWithin(target, from, from + VIP_SLOT.vip);
      this.#view.store32(target + VIP_SLOT.pool, this.#view.load32(from + VIP_SLOT.pool));
      this.#view.store32(target + VIP_SLOT.ring, this.#view.load32(from + VIP_SLOT.ring));
      this.#view.store32(target + VIP_SLOT.vip, this.#view.load32(from + VIP_SLOT.vip));
      // A packet that read the target before the copy must still find the VIP in the source.
      this.#clock.wait(GRACE_MS);
      this.#clear(from);
      this.#waitForGrace();
      target = from;
    }
    return target;
  }

  #clear(slot: number): void {
    this.#view.store32(slot + VIP_SLOT.vip, 0);
    this.#inGrace.set(slot, this.#clock.now() + GRACE_MS);
  }

  #isInGraceAt(slot: number): boolean {
    return this.#view.load32(slot + VIP_SLOT.vip) === 0 && !this.#isFree(slot);
  }

  #waitForGrace(): void {
    if (this.#inGrace.size === 0) return;
    this.#clock.wait(Math.max(...this.#inGrace.values()) - this.#clock.now());
    this.#inGrace.clear();
  }

  #rawKeyAt(slot: number): RawKey {
    const { octets } = this.#view;
    return {
      address: octets.slice(slot, slot + 16),
      port: (octets[slot + VIP_SLOT.port]! << 8) | octets[slot + VIP_SLOT.port + 1]!,
      protocol: octets[slot + VIP_SLOT.protocol]!,
    };
  }

  #read(slot: number): VipSpec {
    const { address, port, protocol } = this.#rawKeyAt(slot);
    return {
      address: addressText(address),
      port,
      protocol: protocol === PROTOCOLS.tcp ? 'tcp' : 'udp',
      vip: this.#view.load32(slot + VIP_SLOT.vip),
      quic: (this.#view.octets[slot + VIP_SLOT.flags]! & VIP_QUIC) !== 0,
      pool: this.#view.load32(slot + VIP_SLOT.pool),
      ring: this.#view.load32(slot + VIP_SLOT.ring),
    };
  }
}

/**
 * Buckets for this many VIPs. Even if each has an address of its own, and so a mark beside it, at
 * most a quarter of the slots is in use.
 */
export function vipBucketsFor(vips: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(8, 4 * vips)));
}
