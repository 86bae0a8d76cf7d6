// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/errors.js';
import { type IdWords, wordsOf } from './id-words.js';

/**
 * Server IDs of one length, each with the index of the real that it leads to. Typed arrays
 * rather than objects, because there can be millions.
 */
export class RoutedIds {
  /** Octets of every ID. */
  readonly idLength: number;
  #length = 0;
  #words: Uint32Array = new Uint32Array(4 * 64);
  #reals: Uint32Array = new Uint32Array(64);

  constructor(idLength: number) {
    this.idLength = idLength;
  }

  /** Leaves out IDs with real 0. An ID that occurs twice leads to its later real. */
  static from(idLength: number, ids: Iterable<readonly [Uint8Array, number]>): RoutedIds {
    const list = new RoutedIds(idLength);
    for (const [id, real] of ids) {
      if (id.length !== idLength) {
        throw new CidecarError(
          'SERVER_ID_INVALID',
          `a server ID of this config has ${idLength} octets, not ${id.length}`,
        );
      }
      if (real !== 0) list.add(wordsOf(id), real);
    }
    return list;
  }

  get length(): number {
    return this.#length;
  }

  add(id: IdWords, real: number): void {
    const at = this.#length++;
    if (at === this.#reals.length) {
      this.#words = grown(this.#words);
      this.#reals = grown(this.#reals);
    }
    this.#words.set(id, 4 * at);
    this.#reals[at] = real;
  }

  id(at: number): IdWords {
    const words = this.#words;
    return [words[4 * at]!, words[4 * at + 1]!, words[4 * at + 2]!, words[4 * at + 3]!];
  }

  real(at: number): number {
    return this.#reals[at]!;
  }

  /** The number of low bits in which the IDs differ; the bits above are the same in all. */
  differingBits(): number {
    const words = this.#words;
    const union = [0, 0, 0, 0];
    for (let at = 4; at < 4 * this.#length; at += 4) {
      for (let i = 0; i < 4; i++) union[i]! |= words[at + i]! ^ words[i]!;
    }
    for (let i = 3; i >= 0; i--) if (union[i] !== 0) return 32 * i + 32 - Math.clz32(union[i]!);
    return 0;
  }
}

function grown(array: Uint32Array): Uint32Array {
  const larger = new Uint32Array(2 * array.length);
  larger.set(array);
  return larger;
}
