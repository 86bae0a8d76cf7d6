// SPDX-License-Identifier: Apache-2.0
import type { BpfMap } from '../binding/index.js';

/**
 * The values of an array in the kernel, mapped into memory: the packet program sees at once what
 * is stored here. Whatever a running packet may read must be stored by {@link store32} or
 * {@link store64}, as whole words and in program order (abi.h, "publish" and "word").
 */
export class ArrayView {
  readonly entries: number;
  /** Octets from one value to the next: the kernel rounds values up to 8. */
  readonly stride: number;
  /** The memory itself; `u32` and `u64` are other views of it. */
  readonly octets: Uint8Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;

  readonly #unmap: () => void;

  constructor(
    octets: Uint8Array,
    entries: number,
    valueSize: number,
    unmap: () => void = () => {},
  ) {
    this.#unmap = unmap;
    this.entries = entries;
    this.stride = (valueSize + 7) & ~7;
    const length = entries * this.stride;
    if (octets.length < length) {
      throw new RangeError(
        `${entries} values of ${valueSize} octets need ${length}, not ${octets.length}`,
      );
    }
    this.octets = octets.subarray(0, length);
    this.u32 = new Uint32Array(octets.buffer, octets.byteOffset, length / 4);
    this.u64 = new BigUint64Array(octets.buffer, octets.byteOffset, length / 8);
  }

  /** @param map an array with BPF_F_MMAPABLE */
  static of(map: BpfMap): ArrayView {
    const octets = map.mmap();
    const { maxEntries, valueSize } = map.info;
    return new ArrayView(octets, maxEntries, valueSize, () => map.unmap(octets));
  }

  /** Unmaps the memory. The view is empty afterwards, and every access throws. */
  close(): void {
    this.#unmap();
  }

  /** A view of ordinary memory, for tests and estimates. */
  static inMemory(entries: number, valueSize: number): ArrayView {
    return new ArrayView(new Uint8Array(entries * ((valueSize + 7) & ~7)), entries, valueSize);
  }

  /** @param offset octets from the start of the array, a multiple of 4 */
  load32(offset: number): number {
    return Atomics.load(this.u32, this.#index(offset, 4));
  }

  store32(offset: number, value: number): void {
    Atomics.store(this.u32, this.#index(offset, 4), value >>> 0);
  }

  /** @param offset octets from the start of the array, a multiple of 8 */
  load64(offset: number): bigint {
    return Atomics.load(this.u64, this.#index(offset, 8));
  }

  store64(offset: number, value: bigint): void {
    Atomics.store(this.u64, this.#index(offset, 8), value);
  }

  /** The octets of value `index`. */
  value(index: number): Uint8Array {
    this.check(index);
    return this.octets.subarray(index * this.stride, (index + 1) * this.stride);
  }

  /** @throws RangeError unless the array has value `index` */
  check(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.entries) {
      throw new RangeError(`no index ${index} in an array of ${this.entries} entries`);
    }
  }

  #index(offset: number, size: number): number {
    const index = offset / size;
    if (!Number.isInteger(index) || index < 0 || offset + size > this.octets.length) {
      throw new RangeError(`no word of ${size} octets at ${offset}`);
    }
    return index;
  }
}
