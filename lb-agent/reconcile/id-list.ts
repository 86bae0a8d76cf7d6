// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import { packedIds } from '../../registry/index.js';

/**
 * Server IDs of one length, packed: a desired state with a million IDs is compared with the
 * tables at every change of the document, so equal lists must compare at memory speed.
 */
export class IdList {
  /** Octets of one ID. */
  readonly idLength: number;
  readonly octets: Uint8Array;

  constructor(idLength: number, octets: Uint8Array) {
    this.idLength = idLength;
    this.octets = octets;
  }

  static of(ids: readonly Uint8Array[]): IdList {
    const [first] = ids;
    if (first === undefined) return new IdList(0, new Uint8Array());
    return new IdList(first.length, packedIds(ids));
  }

  get count(): number {
    return this.idLength === 0 ? 0 : this.octets.length / this.idLength;
  }

  *[Symbol.iterator](): Generator<Uint8Array> {
    for (let at = 0; at < this.octets.length; at += this.idLength) {
      yield this.octets.subarray(at, at + this.idLength);
    }
  }

  equals(other: IdList): boolean {
    return (
      this.octets.length === other.octets.length && Buffer.compare(this.octets, other.octets) === 0
    );
  }
}

export interface IdDifference {
  /** IDs of the first list alone. */
  readonly removed: readonly Uint8Array[];
  /** IDs of the second list alone. */
  readonly added: readonly Uint8Array[];
}

/**
 * How two lists differ as sets, in whatever order they are. Walks both side by side, in strides
 * that double where they are equal and halve where they are not, so that a few changes in a
 * million IDs cost milliseconds. IDs that the walk did not pair are compared by value at the
 * end.
 */
export function difference(before: IdList, after: IdList): IdDifference {
  const size = before.count === 0 ? after.idLength : before.idLength;
  const a = bufferOf(before.octets);
  const b = bufferOf(after.octets);
  const alike = (i: number, j: number, octets: number) =>
    i + octets <= a.length &&
    j + octets <= b.length &&
    a.compare(b, j, j + octets, i, i + octets) === 0;
  const left: Uint8Array[] = [];
  const right: Uint8Array[] = [];
  let i = 0;
  let j = 0;
  let stride = 64;
  while (i < a.length && j < b.length) {
    if (alike(i, j, size * stride)) {
      i += size * stride;
      j += size * stride;
      stride *= 2;
    } else if (stride > 1) {
      stride /= 2;
    } else {
      const leftOnly = alike(i + size, j, size);
      const rightOnly = !leftOnly && alike(i, j + size, size);
      if (!rightOnly) {
        left.push(a.subarray(i, i + size));
        i += size;
      }
      if (!leftOnly) {
        right.push(b.subarray(j, j + size));
        j += size;
      }
    }
  }
  for (; i < a.length; i += size) left.push(a.subarray(i, i + size));
  for (; j < b.length; j += size) right.push(b.subarray(j, j + size));
  return { removed: without(left, right), added: without(right, left) };
}

function without(ids: readonly Uint8Array[], others: readonly Uint8Array[]): Uint8Array[] {
  const known = new Set(others.map(toHex));
  return ids.filter((id) => !known.has(toHex(id)));
}

function bufferOf(octets: Uint8Array): Buffer {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
}
