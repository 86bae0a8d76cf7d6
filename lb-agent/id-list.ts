// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../cid/index.js';

/**
 * Server IDs of one length, packed. A desired state with a million IDs is compared with the
 * kernel at every change of the document, so equal lists must compare at memory speed.
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
    return new IdList(first.length, contiguous(ids, first) ?? Buffer.concat(ids));
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

  /** IDs that are in this list and not in `other`. Both have IDs of one length. */
  minus(other: IdList): Uint8Array[] {
    if (other.count === 0) return [...this];
    const known = new Set<string>();
    for (const id of other) known.add(toHex(id));
    return [...this].filter((id) => !known.has(toHex(id)));
  }
}

/** The span that the IDs cover, where they are views of one buffer in a row. */
function contiguous(ids: readonly Uint8Array[], first: Uint8Array): Uint8Array | undefined {
  const { buffer, byteOffset, length } = first;
  const inRow = ids.every(
    (id, index) =>
      id.buffer === buffer && id.length === length && id.byteOffset === byteOffset + index * length,
  );
  return inRow ? new Uint8Array(buffer, byteOffset, ids.length * length) : undefined;
}
