// SPDX-License-Identifier: Apache-2.0

import { CidecarError } from '../../core/errors.js';
import type { Secret } from '../../core/secret.js';
import { Feistel } from '../crypto/feistel.js';
import { copyStrings, viewOf } from '../crypto/strided-copy.js';
import { checkInteger } from '../integer-range.js';

/**
 * Passes of the permutation. Four are enough for long nonces (Luby and Rackoff). But a half of
 * a 4-octet nonce has only 16 bits, and there the known distinguishers for 4 and 5 passes need
 * so few nonces that somebody could collect them. For 6 passes they need nearly all nonces, and
 * two more passes are the margin.
 */
export const PERMUTATION_PASSES = 8;

/**
 * Makes nonces from a counter. draft-ietf-quic-load-balancers-22, "CID Entropy", demands that a
 * nonce never repeats under one key and server ID, and that the nonces of plaintext CIDs show
 * no relation to each other. For an encrypted config the counter itself is enough. For a
 * plaintext one we take a keyed permutation of it, which is as unique and looks random.
 *
 * The permutation is the network of "Four-Pass Encryption" with {@link PERMUTATION_PASSES}
 * passes. Its key must serve one config and server ID and nothing else. Otherwise equal
 * counters of two servers would result in equal nonces.
 */
export class NonceSequence {
  readonly nonceLength: number;
  readonly #permutation: Feistel | null;
  readonly #size: bigint;

  /**
   * @param nonceLength octets, 1..20, or 2..20 with a permutation
   * @param permutationKey 16 octets, or null: the nonces are the counters, big-endian
   */
  constructor(nonceLength: number, permutationKey: Secret | null) {
    // A permutation mixes two halves, and one octet has none.
    const minimum = permutationKey === null ? 1 : 2;
    checkInteger('nonceLength', nonceLength, { minimum, maximum: 20 });
    this.nonceLength = nonceLength;
    this.#size = 256n ** BigInt(nonceLength);
    this.#permutation =
      permutationKey === null ? null : new Feistel(permutationKey, nonceLength, PERMUTATION_PASSES);
  }

  /** How many nonces there are: 256^nonceLength. */
  get size(): bigint {
    return this.#size;
  }

  /**
   * Writes the nonces of the counters `first`, `first + 1`, ... modulo {@link size} into
   * `out`, packed. The caller must not use a counter twice.
   */
  fill(first: bigint, count: number, out: Uint8Array): void {
    if (first < 0n || !Number.isInteger(count) || count < 0) {
      throw new CidecarError('NONCE_INVALID', `no counters: ${count} from ${first}`);
    }
    if (BigInt(count) > this.#size) {
      throw new CidecarError('NONCES_EXHAUSTED', `there are ${this.#size} nonces, not ${count}`);
    }
    if (out.length < count * this.nonceLength) {
      throw new RangeError(`out has ${out.length} octets; ${count * this.nonceLength} are written`);
    }
    writeCounters(first % this.#size, count, this.nonceLength, out);
    this.#permutation?.encrypt(out, 0, this.nonceLength, count);
  }

  /** The counter that a nonce was made from. Throws NONCE_INVALID if the length is wrong. */
  counterOf(nonce: Uint8Array): bigint {
    if (nonce.length !== this.nonceLength) {
      throw new CidecarError(
        'NONCE_INVALID',
        `the nonce has ${nonce.length} octets, not ${this.nonceLength}`,
      );
    }
    const counter = Uint8Array.from(nonce); // Buffer.slice would not copy.
    this.#permutation?.decrypt(counter, 0, counter.length, 1);
    return counter.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
  }
}

/** {@link NonceSequence.fill} for a single use. Code that mints keeps its sequence instead. */
export function noncesFromCounters(
  first: bigint,
  count: number,
  nonceLength: number,
  permutationKey: Secret | null,
  out: Uint8Array,
): void {
  new NonceSequence(nonceLength, permutationKey).fill(first, count, out);
}

/**
 * Writes counters big-endian, `length` octets each; the last counter is followed by 0. The upper
 * octets stay the same while the lower four count, so they are copied.
 */
function writeCounters(first: bigint, count: number, length: number, out: Uint8Array): void {
  if (length < 4) {
    const start = Number(first);
    for (let i = 0, at = 0; i < count; i++) {
      for (let j = length - 1; j >= 0; j--) out[at++] = (start + i) >> (8 * j);
    }
    return;
  }
  const view = viewOf(out);
  for (let done = 0; done < count; ) {
    const counter = octetsOf(first + BigInt(done), length);
    const lower = viewOf(counter).getUint32(length - 4);
    const some = Math.min(count - done, 2 ** 32 - lower);
    const place = { octets: out, offset: done * length, stride: length };
    copyStrings({ octets: counter, offset: 0, stride: 0 }, place, length - 4, some);
    for (let i = 0, at = place.offset + length - 4; i < some; i++, at += length) {
      view.setUint32(at, lower + i);
    }
    done += some;
  }
}

/** The lower `length` octets of a number, big-endian. */
function octetsOf(value: bigint, length: number): Uint8Array {
  const octets = new Uint8Array(length);
  for (let j = length - 1, rest = value; j >= 0; j--, rest >>= 8n) octets[j] = Number(rest & 255n);
  return octets;
}
