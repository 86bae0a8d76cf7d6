// SPDX-License-Identifier: Apache-2.0
import type { FlowHash } from './hash.js';

const PLACES = 4;
/** Places of a bucket that one sender may keep when others want them. */
const MOST_OF_ONE_SENDER = 2;

export interface RememberedFlow {
  readonly hash: FlowHash;
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

type Bucket = (RememberedFlow | undefined)[];

/** Which kind of flow a new one displaced, if any; `no-place`: it was not remembered. */
export type Placed = 'free' | 'fresh' | 'established' | 'no-place';

/** What one CPU remembers of flows: buckets of four places, of which each flow has two. */
export class FlowTable {
  readonly #buckets = new Map<number, Bucket>();
  readonly #mask: number;
  readonly #timeouts: FlowTimeouts;

  constructor(buckets: number, timeouts: FlowTimeouts) {
    this.#mask = buckets - 1;
    this.#timeouts = timeouts;
  }

  find(hash: FlowHash): RememberedFlow | undefined {
    return this.#bucketsOf(hash)
      .flat()
      .find((flow) => flow?.hash.hi === hash.hi && flow.hash.lo === hash.lo);
  }

  expired(flow: RememberedFlow, now: number): boolean {
    const { fresh, udp, tcp } = this.#timeouts;
    return now - flow.seen > (flow.established ? (flow.tcp ? tcp : udp) : fresh);
  }

  /**
   * Remembers a new flow in its first bucket while two places are free there, else where more
   * are; else in place of a fresh flow, else of one whose sender has most of a bucket.
   */
  remember(hash: FlowHash, tcp: boolean, real: number, incarnation: number, now: number): Placed {
    const flow = { hash, tcp, seen: now, established: false, real, incarnation };
    const [first, second] = this.#bucketsOf(hash);
    const free = (bucket: Bucket) =>
      bucket.flatMap((each, i) => (!each || this.expired(each, now) ? [i] : []));
    const [free1, free2] = [free(first), free(second)];
    const bucket = free1.length >= 2 || free1.length >= free2.length ? first : second;
    const [place] = bucket === first ? free1 : free2;
    if (place !== undefined) {
      bucket[place] = flow;
      return 'free';
    }
    const fresh = oldestFresh([...first, ...second], (hash.lo >>> 24) & 7);
    if (fresh !== undefined) {
      (fresh < PLACES ? first : second)[fresh % PLACES] = flow;
      return 'fresh';
    }
    for (const each of [first, second]) {
      const established = oldestOfGreedySender(each);
      if (established === undefined) continue;
      each[established] = flow;
      return 'established';
    }
    return 'no-place';
  }

  #bucketsOf({ hi, lo }: FlowHash): [Bucket, Bucket] {
    const [first, second] = [lo & this.#mask, (lo ^ (hi | 1)) & this.#mask];
    return [this.#bucket(first >>> 0), this.#bucket(second >>> 0)];
  }

  #bucket(index: number): Bucket {
    let bucket = this.#buckets.get(index);
    if (bucket === undefined) {
      bucket = Array(PLACES).fill(undefined);
      this.#buckets.set(index, bucket);
    }
    return bucket;
  }
}

/**
 * The place of the fresh flow that waited longest, in whole seconds; among equals the last one,
 * counted from where the new flow's hash says.
 */
function oldestFresh(flows: Bucket, rotation: number): number | undefined {
  const turned = (place: number) => (place + rotation) & 7;
  const [oldest] = placesOf(flows)
    .filter(({ flow }) => !flow.established)
    .sort((a, b) => a.flow.seen - b.flow.seen || turned(b.place) - turned(a.place));
  return oldest?.place;
}

/** The place of the flow, idle for longest, of a sender that has most of the bucket. */
function oldestOfGreedySender(bucket: Bucket): number | undefined {
  const flows = placesOf(bucket);
  const of = (sender: number) => flows.filter(({ flow }) => flow.hash.sender === sender).length;
  const [oldest] = flows
    .filter(({ flow }) => of(flow.hash.sender) > MOST_OF_ONE_SENDER)
    .sort((a, b) => a.flow.seen - b.flow.seen || b.place - a.place);
  return oldest?.place;
}

function placesOf(flows: Bucket): { flow: RememberedFlow; place: number }[] {
  return flows.flatMap((flow, place) => (flow === undefined ? [] : [{ flow, place }]));
}
