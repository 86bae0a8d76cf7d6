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
  /** Octets of one value; of one CPU's value if each CPU has its own. */
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
 * throws. Sizes are compared with the kernel's, and a wrong one is a RangeError.
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
   * A copy of one value. If each CPU has its own, the copy holds the values of all possible CPUs
   * in a row, each rounded up to 8 octets.
   * @param key a number is the index of an array, or another key of 4 octets in host order
   */
  lookup(key: Uint8Array | number): Uint8Array | undefined {
    return guarded(() => this.native.lookup(key));
  }

  /** @throws CidecarError MAP_FULL when a hash map has no room. */
  update(key: Uint8Array | number, value: Uint8Array): void {
    guarded(() => this.native.update(key, value));
  }

  /** In a map of programs, sets the program that a tail call to `index` goes to. */
  setProgram(index: number, program: BpfProgram): void {
    guarded(() => this.native.setProgram(index, program.native));
  }

  /** Says whether there was such a key. The entries of an array cannot be deleted. */
  delete(key: Uint8Array | number): boolean {
    return guarded(() => this.native.delete(key));
  }

  /** Every key. Keys that are added or deleted during the walk may be among them or not. */
  *keys(): Generator<Uint8Array, void, void> {
    let key = guarded(() => this.native.nextKey(undefined));
    while (key !== undefined) {
      const current: Uint8Array = key;
      yield current;
      key = guarded(() => this.native.nextKey(current));
    }
  }

  /**
   * Writes `count` values in few system calls of at most 1024 values each. This is not atomic:
   * when it throws, the elements before the one that the message names are written.
   */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void {
    guarded(() => this.native.updateBatch(keys, values, count));
  }

  /** `count` values of an array from `firstKey` on, in a row, each as {@link lookup} gives it. */
  lookupBatch(firstKey: number, count: number): Uint8Array {
    return guarded(() => this.native.lookupBatch(firstKey, count));
  }

  /**
   * The memory of an array with BPF_F_MMAPABLE: the program sees what is stored here, and the
   * other way round. Value i begins at octet i x round8(valueSize). The view outlives the handle;
   * the memory is unmapped when the view is garbage, or by {@link unmap}.
   */
  mmap(): Uint8Array {
    return guarded(() => this.native.mmap());
  }

  /**
   * Gives back at once what {@link mmap} returned. To JavaScript a view is garbage of a few
   * octets, although it may keep the whole memory of a map. Every view of the memory is empty
   * afterwards.
   */
  unmap(view: Uint8Array): void {
    guarded(() => this.native.unmap(view));
  }

  /** @throws CidecarError PIN_INVALID when something is at the path, or it is not in bpffs. */
  pin(path: string): void {
    pinAt(this.native, path);
  }

  /** Like {@link pin}, but replaces what is pinned at the path, atomically. */
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
