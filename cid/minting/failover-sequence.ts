// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/errors.js';
import type { Secret } from '../../core/secret.js';
import { MAX_CID_LENGTH } from '../cid-length.js';
import { copyStrings } from '../crypto/strided-copy.js';
import { FAILOVER_CONFIG_ID, firstOctet } from '../first-octet.js';
import { checkInteger } from '../integer-range.js';
import { FAILOVER_MIN_CID_LENGTH, FAILOVER_ZEROES } from './failover.js';
import { NonceSequence } from './nonce-sequence.js';

export interface FailoverForm {
  /** Octets, 8 to 20; the same as that of the server's other CIDs. */
  readonly cidLength: number;
  /** Whether octets 1 to 4 are zeroes, for pools where a config claims 0b111. */
  readonly zeroHostId: boolean;
  /** Octets at the end that the caller fills in, 0 if left out. */
  readonly tailLength?: number;
}

/**
 * 0b111 CIDs of one form that never repeat: each counter makes another, and under a secret key
 * they look random. Chance alone would repeat them soon where few octets are free: of the 24 bits
 * that a Katran V3 pool leaves in 8 octets, half of all servers repeat one among 5000 CIDs.
 */
export class FailoverSequence {
  /** Octets by which the CIDs differ: those that are neither fixed nor the caller's. */
  readonly bodyLength: number;
  readonly #cidLength: number;
  readonly #at: number;
  readonly #sequence: NonceSequence;

  /** @param permutationKey 16 octets that serve this form and this maker of CIDs alone */
  constructor(form: FailoverForm, permutationKey: Secret) {
    this.bodyLength = failoverBodyLength(form);
    this.#cidLength = form.cidLength;
    this.#at = bodyOffset(form);
    this.#sequence = new NonceSequence(this.bodyLength, permutationKey);
  }

  /** How many CIDs of the form there are: 256^bodyLength. */
  get size(): bigint {
    return this.#sequence.size;
  }

  /**
   * Writes the CIDs of the counters `first`, `first + 1`, ... modulo {@link size} into `out`,
   * packed, all but their tails. The caller must not use a counter twice.
   */
  fill(first: bigint, count: number, out: Uint8Array): void {
    const length = this.#cidLength;
    if (out.length < count * length) {
      throw new RangeError(`out has ${out.length} octets; ${count * length} are written`);
    }
    const bodies = new Uint8Array(count * this.bodyLength);
    this.#sequence.fill(first, count, bodies);
    const start = new Uint8Array(this.#at);
    start[0] = firstOctet(FAILOVER_CONFIG_ID, length);
    const cids = { octets: out, offset: 0, stride: length };
    copyStrings({ octets: start, offset: 0, stride: 0 }, cids, start.length, count);
    const from = { octets: bodies, offset: 0, stride: this.bodyLength };
    copyStrings(from, { ...cids, offset: this.#at }, this.bodyLength, count);
  }
}

/** Octets by which 0b111 CIDs of a form differ. Throws CID_CONFIG_INVALID. */
export function failoverBodyLength(form: FailoverForm): number {
  const { cidLength, tailLength = 0 } = form;
  checkInteger('cidLength', cidLength, {
    minimum: FAILOVER_MIN_CID_LENGTH,
    maximum: MAX_CID_LENGTH,
  });
  const length = cidLength - bodyOffset(form) - tailLength;
  if (length >= 2) return length;
  throw new CidecarError('CID_CONFIG_INVALID', `${length} octets are too few to differ by`);
}

function bodyOffset({ zeroHostId }: FailoverForm): number {
  return zeroHostId ? 1 + FAILOVER_ZEROES : 1;
}
