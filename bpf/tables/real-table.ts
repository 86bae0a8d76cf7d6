// SPDX-License-Identifier: Apache-2.0

import type { ArrayView } from './array-view.js';
import { type Clock, GRACE_MS } from './grace-period.js';
import { ENCAP, REAL, REAL_DOWN } from './layout.js';
import {
  decodeReal,
  encodeFirstWord,
  encodeReal,
  type NextHop,
  NO_MTU,
  type RealSpec,
  type RealState,
} from './real-encoding.js';

/** The array `reals`: outer headers that are ready to be copied, by index. */
export class RealTable {
  readonly #view: ArrayView;
  readonly #clock: Clock;
  /** Cleared indices that a packet may still be reading, and until what time. */
  readonly #inGrace = new Map<number, number>();

  constructor(view: ArrayView, clock: Clock) {
    this.#view = view;
    this.#clock = clock;
  }

  /**
   * Programs an index. If only next hop, MTU or state differ from what is there, packets are not
   * disturbed. Otherwise the real is absent for a grace period, so take an unused index for
   * another server.
   */
  set(index: number, spec: RealSpec): void {
    const at = this.#at(index);
    const octets = encodeReal(spec);
    if (this.#kind(at) !== ENCAP.none) {
      if (sameTunnel(octets, this.#view.value(index))) {
        this.#storeMtu(at, octets, spec.mtu ?? NO_MTU);
        this.#storeNextHop(at, octets);
        return;
      }
      this.clear(index);
    }
    this.#waitFor(index);
    this.#view.octets.set(octets.subarray(8), at + 8);
    this.#view.store64(at, firstWord(octets));
  }

  /** Holds from the next packet on. @throws RangeError when the index is not programmed */
  setNextHop(index: number, nextHop: NextHop): void {
    const at = this.#programmed(index);
    const octets = this.#view.value(index).slice();
    const down = (octets[REAL.flags]! & REAL_DOWN) !== 0;
    octets.set(encodeFirstWord(octets[REAL.kind]!, nextHop, down));
    octets.set(nextHop.sourceMac, REAL.source_mac);
    new DataView(octets.buffer).setUint32(REAL.ifindex, nextHop.ifindex, true);
    this.#storeNextHop(at, octets);
  }

  /** @throws RangeError when the index is not programmed */
  setDown(index: number, down: boolean): void {
    const at = this.#programmed(index);
    const octets = this.#view.value(index).slice();
    octets[REAL.flags] = down ? octets[REAL.flags]! | REAL_DOWN : octets[REAL.flags]! & ~REAL_DOWN;
    this.#view.store64(at, firstWord(octets));
  }

  /** Holds from the next packet on. @throws RangeError when the index is not programmed */
  setMtu(index: number, mtu: number): void {
    const at = this.#programmed(index);
    const octets = this.#view.value(index).slice();
    this.#storeMtu(at, octets, mtu);
  }

  clear(index: number): void {
    this.#view.store64(this.#at(index), 0n);
    this.#inGrace.set(index, this.#clock.now() + GRACE_MS);
  }

  /** Whether an index is programmed in exactly this way. */
  holds(index: number, spec: RealSpec): boolean {
    this.#at(index);
    const present = this.#view.value(index).subarray(0, REAL.size);
    return Buffer.compare(encodeReal(spec), present) === 0;
  }

  get(index: number): RealState | undefined {
    this.#at(index);
    return decodeReal(index, this.#view.value(index));
  }

  list(): RealState[] {
    const states: RealState[] = [];
    for (let index = 1; index < this.#view.entries; index++) {
      const state = decodeReal(index, this.#view.value(index));
      if (state !== undefined) states.push(state);
    }
    return states;
  }

  /** The incarnation that an index had last, programmed or not. */
  incarnation(index: number): number {
    const octets = this.#view.value(index);
    return octets[REAL.incarnation]! | (octets[REAL.incarnation + 1]! << 8);
  }

  /** Notes the incarnation of an index that is not programmed. */
  noteIncarnation(index: number, incarnation: number): void {
    const at = this.#at(index);
    if (this.#kind(at) !== ENCAP.none) throw new RangeError(`real ${index} is programmed`);
    // It is the upper quarter of the word that begins with the source MAC, which is unused here.
    this.#view.store64(at + REAL.source_mac, BigInt(incarnation) << 48n);
  }

  /**
   * Stores the next hop and the state in three words, each as a whole. A packet that reads
   * between the stores may go to a wrong neighbour; nothing worse can happen.
   */
  #storeNextHop(at: number, octets: Uint8Array): void {
    const view = new DataView(octets.buffer, octets.byteOffset);
    this.#view.store64(at + REAL.source_mac, view.getBigUint64(REAL.source_mac, true));
    this.#view.store32(at + REAL.ifindex, view.getUint32(REAL.ifindex, true));
    this.#view.store64(at, firstWord(octets));
  }

  /** The checksum of the outer header shares the word, and stays. */
  #storeMtu(at: number, octets: Uint8Array, mtu: number): void {
    const view = new DataView(octets.buffer, octets.byteOffset);
    view.setUint16(REAL.mtu, mtu, true);
    this.#view.store32(at + REAL.checksum, view.getUint32(REAL.checksum, true));
  }

  #kind(at: number): number {
    return this.#view.octets[at + REAL.kind]!;
  }

  /** Offset of an index. Real 0 is never programmed. */
  #at(index: number): number {
    this.#view.check(index);
    if (index === 0) throw new RangeError('real 0 stays unprogrammed');
    return index * this.#view.stride;
  }

  #programmed(index: number): number {
    const at = this.#at(index);
    if (this.#kind(at) === ENCAP.none) throw new RangeError(`real ${index} is not programmed`);
    return at;
  }

  #waitFor(index: number): void {
    const until = this.#inGrace.get(index);
    if (until === undefined) return;
    this.#clock.wait(until - this.#clock.now());
    this.#inGrace.delete(index);
  }
}

function firstWord(octets: Uint8Array): bigint {
  return new DataView(octets.buffer, octets.byteOffset).getBigUint64(0, true);
}

/** Same kind, incarnation and outer header. */
function sameTunnel(a: Uint8Array, b: Uint8Array): boolean {
  return (
    a[REAL.kind] === b[REAL.kind] &&
    Buffer.compare(
      a.subarray(REAL.incarnation, REAL.ifindex),
      b.subarray(REAL.incarnation, REAL.ifindex),
    ) === 0 &&
    Buffer.compare(a.subarray(REAL.checksum, REAL.mtu), b.subarray(REAL.checksum, REAL.mtu)) ===
      0 &&
    Buffer.compare(a.subarray(REAL.outer, REAL.size), b.subarray(REAL.outer, REAL.size)) === 0
  );
}
