// SPDX-License-Identifier: Apache-2.0
import {
  FAILOVER_ZEROES,
  failoverCids,
  type RandomFill,
  RESET_TOKEN_LENGTH,
  ResetTokens,
} from '../../cid/index.js';
import { Secret } from '../../core/index.js';

/** Octets at the end of a CID that show that it was made here. */
const MARK_LENGTH = 2;
/**
 * The fewest random octets that a mark may leave. With 5, a repeat is about as likely as not
 * among a million CIDs; with 7, among 300 million.
 */
const RANDOM_LENGTH = 7;
/** Octets that are not random: the first, and the zeroes of pools where a config claims 0b111. */
const FIXED_LENGTH = { plain: 1, zeroHostId: 1 + FAILOVER_ZEROES };

/**
 * The 0b111 CIDs that this sidecar makes. Anybody can make such CIDs, and a client whose pool is
 * dry does, with tokens that only it knows. So a CID made here carries a mark in place of its
 * last random octets, and only for marked CIDs does the sidecar answer questions for a token.
 * Without the key the mark looks as random as the rest.
 */
export class FailoverCids {
  readonly #cidLength: number;
  readonly #random: RandomFill;
  readonly #marks: ResetTokens;

  /** @param resetKey the reset key of 0b111 CIDs, from which the key of the marks is derived */
  constructor(resetKey: Secret, cidLength: number, random: RandomFill) {
    this.#cidLength = cidLength;
    this.#random = random;
    // No 0b111 CID has these octets, so no token that is given out equals the key.
    const key = new ResetTokens(resetKey).of(Buffer.from('0b111 CIDs made here'));
    this.#marks = new ResetTokens(new Secret(key));
  }

  /** `count` CIDs, one after the other, without their tokens. */
  make(count: number, zeroHostId: boolean): Uint8Array {
    const length = this.#cidLength;
    const cids = new Uint8Array(count * length);
    failoverCids(length, count, cids, this.#random, { zeroHostId });
    if (length < markedFrom(zeroHostId)) return cids;
    const bodies = new Uint8Array(count * (length - MARK_LENGTH));
    for (let i = 0; i < count; i++) {
      const body = cids.subarray(i * length, (i + 1) * length - MARK_LENGTH);
      bodies.set(body, i * body.length);
    }
    const marks = new Uint8Array(count * RESET_TOKEN_LENGTH);
    this.#marks.batch(bodies, length - MARK_LENGTH, count, marks);
    for (let i = 0; i < count; i++) {
      const mark = marks.subarray(i * RESET_TOKEN_LENGTH, i * RESET_TOKEN_LENGTH + MARK_LENGTH);
      cids.set(mark, (i + 1) * length - MARK_LENGTH);
    }
    return cids;
  }

  /** Whether a CID was made here. Also true for one in 65536 CIDs that were not. */
  made(cid: Uint8Array): boolean {
    if (cid.length !== this.#cidLength || cid.length < markedFrom(false)) return false;
    const [body, mark] = [cid.subarray(0, -MARK_LENGTH), cid.subarray(-MARK_LENGTH)];
    return Buffer.compare(this.#marks.of(body).subarray(0, MARK_LENGTH), mark) === 0;
  }
}

/** The length of the shortest CIDs that have room for a mark: 10 octets, 14 with a zero host ID. */
function markedFrom(zeroHostId: boolean): number {
  return (zeroHostId ? FIXED_LENGTH.zeroHostId : FIXED_LENGTH.plain) + RANDOM_LENGTH + MARK_LENGTH;
}
