// SPDX-License-Identifier: Apache-2.0
import { guarded } from './errors.js';
import { addon, type NativeMap } from './native.js';
import { pinAt, pinReplacingAt, removePin } from './pin.js';
import type { BpfProgram } from './program.js';

export type MapKind = 'array' | 'percpu_array' | 'hash' | 'ringbuf' | 'other';

export interface MapInfo {
  readonly id: number;
  /** As the kernel knows it: at most 15 octets. */
  readonly name: string;
  /** enum bpf_map_type of linux/bpf.h. */
  readonly type: number;
  readonly kind: MapKind;
  /** Octets. */
  readonly keySize: number;
  /** Octets of one value, for one CPU where each CPU has its own. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** BPF_F_* of linux/bpf.h. */
  readonly flags: number;
}

/** BPF_F_MMAPABLE: user space may map the values of an array into its memory. */
export const BPF_F_MMAPABLE = 1 << 10;

const KINDS: Readonly<Record<number, MapKind>> = {
  1: 'hash',
  2: 'array',
  6: 'percpu_array',
  27: 'ringbuf',
};

/**
 * A map in the kernel. The handle keeps the map alive until {@link close}; every later call
 * throws. Sizes are checked against the kernel's: a wrong one is a RangeError.
 */
export class BpfMap {
  readonly info: MapInfo;
  /** @internal */
  readonly native: NativeMap;

  /** @internal Use {@link openPinned} or BpfObject.map. */
  constructor(native: NativeMap) {
    this.native = native;
    const info = guarded(() => native.info());
    this.info = { ...info, kind: KINDS[info.type] ?? 'other' };
  }

  /** @throws CidecarError PIN_INVALID when the path holds no map, KERNEL_PERMISSION. */
  static openPinned(path: string): BpfMap {
    return new BpfMap(guarded(() => addon().Map.openPinned(path)));
  }

  /**
   * A copy of one value. Where each CPU has its own, the values of all possible CPUs one
   * after another, each rounded up to 8 octets.
   * @param key a number is the index of an array (or another key of 4 octets, host order)
   */
  lookup(key: Uint8Array | number): Uint8Array | undefined {
    return guarded(() => this.native.lookup(key));
  }

  /** @throws CidecarError MAP_FULL when a hash map has no room. */
  update(key: Uint8Array | number, value: Uint8Array): void {
    guarded(() => this.native.update(key, value));
  }

  /** Names the program that a tail call to `index` goes to, in a map of programs. */
  setProgram(index: number, program: BpfProgram): void {
    guarded(() => this.native.setProgram(index, program.native));
  }

  /** Whether there was such a key. The entries of an array cannot be deleted. */
  delete(key: Uint8Array | number): boolean {
    return guarded(() => this.native.delete(key));
  }

  /** Every key. What is added or deleted meanwhile may or may not be among them. */
  *keys(): Generator<Uint8Array, void, void> {
    let key = guarded(() => this.native.nextKey(undefined));
    while (key !== undefined) {
      const current: Uint8Array = key;
      yield current;
      key = guarded(() => this.native.nextKey(current));
    }
  }

  /**
   * Writes `count` values in few system calls, at most 1024 values each. Not atomic: when it
   * throws, the elements before the one named in the message are written.
   */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void {
    guarded(() => this.native.updateBatch(keys, values, count));
  }

  /** The values of an array from `firstKey` on, one after another as {@link lookup} gives them. */
  lookupBatch(firstKey: number, count: number): Uint8Array {
    return guarded(() => this.native.lookupBatch(firstKey, count));
  }

  /**
   * The values themselves, of an array with BPF_F_MMAPABLE: what is stored here the program
   * sees, and the other way round. Value i begins at i x round8(valueSize). The view outlives
   * the handle; the memory is unmapped when the view is garbage, or by {@link unmap}.
   */
  mmap(): Uint8Array {
    return guarded(() => this.native.mmap());
  }

  /**
   * Gives back at once what {@link mmap} returned: garbage of a few octets for JavaScript can
   * be all the memory of a map that nothing else holds. Every view of it is empty afterwards.
   */
  unmap(view: Uint8Array): void {
    guarded(() => this.native.unmap(view));
  }

  /** @throws CidecarError PIN_INVALID when something is at the path, or it is not in bpffs. */
  pin(path: string): void {
    pinAt(this.native, path);
  }

  /** Like {@link pin}, but takes the place of what is pinned there, atomically. */
  pinReplacing(path: string): void {
    pinReplacingAt(this.native, path);
  }

  unpin(path: string): void {
    removePin(path);
  }

  close(): void {
    this.native.close();
  }
}
