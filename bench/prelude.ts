// SPDX-License-Identifier: Apache-2.0
import {
  type BpfMap,
  BpfObject,
  type BpfProgram,
  objectPath,
  type TestRunResult,
} from '../bpf/binding/index.js';

/** How many octets of a packet the prelude can change. */
export const HEAD_OCTETS = 64;
/** The most CIDs of an {@link IdSource} of kind `prepared`. */
export const PREPARED_CIDS = 1024;

const CID_SLOT = 24;
/** Offsets in struct plan of prelude.bpf.c. */
const PLAN = {
  size: 120,
  length: 64,
  growth: 68,
  tupleKind: 72,
  idKind: 76,
  ipv6: 80,
  cidOffset: 84,
  idMask: 88,
  wordBase: 92,
  cidWords: 96,
  counter: 112,
} as const;

/** `fixed`: one flow. `ports`: one of 65536 flows at random. `new`: a new 4-tuple each time. */
export type TupleKind = 'fixed' | 'ports' | 'new';
const TUPLE_KINDS: Record<TupleKind, number> = { fixed: 0, ports: 1, new: 2 };

/** How the CID of each packet is chosen. Every number of IDs is a power of two. */
export type IdSource =
  | { readonly kind: 'fixed' }
  /** One of these at random, each of at most 20 octets. */
  | { readonly kind: 'prepared'; readonly cids: readonly Uint8Array[] }
  /** The first 4 octets of the CID are `base` + a random index. */
  | { readonly kind: 'dense'; readonly base: number; readonly count: number }
  /** Octets 1..8 of the CID are splitmix64(random index). */
  | { readonly kind: 'sparse'; readonly count: number };
const ID_KINDS: Record<IdSource['kind'], number> = { fixed: 0, prepared: 1, dense: 2, sparse: 3 };

/** A packet, and what changes from one run to the next. */
export interface Traffic {
  readonly frame: Uint8Array;
  /** Octets that the program puts before the packet. */
  readonly growth: number;
  readonly tuple: TupleKind;
  readonly id: IdSource;
  /** Offset of the CID in the frame. */
  readonly cidOffset: number;
}

const MASK_64 = (1n << 64n) - 1n;

/** The twin of splitmix64 in prelude.bpf.c. */
export function splitmix64(seed: bigint): bigint {
  let x = (seed + 0x9e3779b97f4a7c15n) & MASK_64;
  x = ((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK_64;
  x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & MASK_64;
  return x ^ (x >> 31n);
}

/** The prelude in the kernel, which calls one program at a time. */
export class Prelude {
  readonly #plan: Uint8Array;
  readonly #cids: BpfMap;
  readonly #targets: BpfMap;
  readonly #target: BpfProgram;
  readonly #floor: BpfProgram;

  private constructor(object: BpfObject) {
    this.#plan = object.map('.data.plan').mmap();
    this.#cids = object.map('cids');
    this.#targets = object.map('targets');
    this.#target = object.program('run_target');
    this.#floor = object.program('run_floor');
    this.#targets.setProgram(1, object.program('stub'));
  }

  static async load(): Promise<Prelude> {
    const object = await BpfObject.load(objectPath('prelude'));
    return new Prelude(object);
  }

  /** Sets the program that the prelude calls from now on. */
  aim(program: BpfProgram): void {
    this.#targets.setProgram(0, program);
  }

  /** Sets the traffic of the next runs. The packet counter continues, and so the random sequence. */
  prepare(traffic: Traffic): void {
    const { frame, growth, tuple, id, cidOffset } = traffic;
    if (frame.length < HEAD_OCTETS) throw new RangeError('a frame of the bench has 64 octets');
    const six = frame[12] === 0x86;
    const head = Uint8Array.from(frame.subarray(0, HEAD_OCTETS));
    const plan = new Uint8Array(PLAN.counter);
    const view = new DataView(plan.buffer);
    const set = (at: number, value: number): void => view.setUint32(at, value, true);
    set(PLAN.length, frame.length);
    set(PLAN.growth, growth);
    set(PLAN.tupleKind, TUPLE_KINDS[tuple]);
    set(PLAN.idKind, ID_KINDS[id.kind]);
    set(PLAN.ipv6, six ? 1 : 0);
    set(PLAN.cidOffset, cidOffset);
    if (tuple === 'new') zeroSource(head, six);
    plan.set(head, 0);
    plan.set(frame.subarray(cidOffset, cidOffset + 16), PLAN.cidWords);
    if (id.kind === 'dense') set(PLAN.wordBase, id.base);
    if (id.kind === 'dense' || id.kind === 'sparse') set(PLAN.idMask, maskOf(id.count));
    if (id.kind === 'prepared') {
      set(PLAN.idMask, maskOf(id.cids.length));
      this.#prepareCids(id.cids, frame.subarray(cidOffset));
    }
    this.#plan.set(plan, 0);
  }

  #prepareCids(cids: readonly Uint8Array[], after: Uint8Array): void {
    if (cids.length > PREPARED_CIDS) throw new RangeError(`more than ${PREPARED_CIDS} CIDs`);
    for (const [i, cid] of cids.entries()) {
      const slot = Uint8Array.from(after.subarray(0, CID_SLOT));
      slot.set(cid);
      this.#cids.update(i, slot);
    }
  }

  /** Runs `packets` in a row on one CPU, through the program or, for the floor, the stub. */
  run(traffic: Traffic, packets: number, what: 'target' | 'floor', cpu: number): TestRunResult {
    const program = what === 'target' ? this.#target : this.#floor;
    return program.testRun({ data: traffic.frame, repeat: packets, cpu });
  }
}

function maskOf(count: number): number {
  if (count < 1 || (count & (count - 1)) !== 0) throw new RangeError(`${count} is no power of two`);
  return count - 1;
}

/**
 * Sets the last two octets of the source address to zero in the template and in its IPv4 checksum,
 * so that the prelude only has to add what it puts there (RFC 1624).
 */
function zeroSource(head: Uint8Array, six: boolean): void {
  const view = new DataView(head.buffer);
  const at = six ? 36 : 28;
  const before = view.getUint16(at);
  view.setUint16(at, 0);
  if (six) return;
  let sum = (~view.getUint16(24) & 0xffff) + (~before & 0xffff);
  sum = (sum & 0xffff) + (sum >> 16);
  view.setUint16(24, ~sum & 0xffff);
}
