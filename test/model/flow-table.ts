// SPDX-License-Identifier: Apache-2.0
import type { Word64 } from './hash.js';

const PLACES = 4;

export interface RememberedFlow {
  /** The high half of the hash, with its top bit set. */
  readonly hi: number;
  readonly lo: number;
  readonly tcp: boolean;
  /** When its last packet was seen, in seconds of the monotonic clock. */
  seen: number;
  /** Set once a second packet was seen. */
  established: boolean;
  real: number;
  incarnation: number;
}

export interface FlowTimeouts {
  readonly fresh: number;
  readonly udp: number;
  readonly tcp: number;
}

/** The flows that one CPU remembers, in buckets of four places. */
export class FlowTable {
  readonly #buckets = new Map<number, (RememberedFlow | undefined)[]>();
  readonly #mask: number;
  readonly #timeouts: FlowTimeouts;

  constructor(buckets: number, timeouts: FlowTimeouts) {
    this.#mask = buckets - 1;
    this.#timeouts = timeouts;
  }

  find(hash: Word64): RememberedFlow | undefined {
    const hi = (hash.hi | 0x80000000) >>> 0;
    return this.#bucket(hash).find((flow) => flow?.hi === hi && flow.lo === hash.lo);
  }

  expired(flow: RememberedFlow, now: number): boolean {
    const { fresh, udp, tcp } = this.#timeouts;
    return now - flow.seen > (flow.established ? (flow.tcp ? tcp : udp) : fresh);
  }

  /**
   * Remembers a new flow in a free or expired place. If there is none, it replaces the fresh
   * flow that was seen longest ago. Returns false if all places hold established flows.
   */
  remember(hash: Word64, tcp: boolean, real: number, incarnation: number, now: number): boolean {
    const bucket = this.#bucket(hash);
    let place = bucket.findIndex((flow) => !flow || this.expired(flow, now));
    if (place < 0) {
      for (const [i, flow] of bucket.entries()) {
        const oldest = bucket[place];
        if (flow && !flow.established && (!oldest || flow.seen < oldest.seen)) place = i;
      }
    }
    if (place < 0) return false;
    const hi = (hash.hi | 0x80000000) >>> 0;
    bucket[place] = { hi, lo: hash.lo, tcp, seen: now, established: false, real, incarnation };
    return true;
  }

  #bucket(hash: Word64): (RememberedFlow | undefined)[] {
    const index = (hash.lo & this.#mask) >>> 0;
    let bucket = this.#buckets.get(index);
    if (bucket === undefined) {
      bucket = Array(PLACES).fill(undefined);
      this.#buckets.set(index, bucket);
    }
    return bucket;
  }
}
