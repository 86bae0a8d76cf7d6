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
const MARK = 2;
/**
 * Random octets, at least, that a mark leaves. Of 5, one in a million CIDs is there twice
 * already; of 7, two in 300 million are alike with even odds.
 */
const RANDOM = 7;
/** Octets that are not random: the first, and the zeroes of pools where a config claims 0b111. */
const FIXED = { plain: 1, zeroHostId: 1 + FAILOVER_ZEROES };

/**
 * 0b111 CIDs of this server. Anybody can make such CIDs, and a pool that runs dry does, with
 * tokens that only it knows; so those made here carry a mark in place of their last random
 * octets, by which a question for a token is answered for these alone. To who does not have
 * the key it looks as random as the rest.
 */
export class FailoverCids {
  readonly #cidLength: number;
  readonly #random: RandomFill;
  readonly #marks: ResetTokens;

  /** @param resetKey of 0b111 CIDs; the key of the marks is derived from it */
  constructor(resetKey: Secret, cidLength: number, random: RandomFill) {
    this.#cidLength = cidLength;
    this.#random = random;
    // No 0b111 CID is this text, so none has the key for its token.
    const key = new ResetTokens(resetKey).of(Buffer.from('0b111 CIDs made here'));
    this.#marks = new ResetTokens(new Secret(key));
  }

  /** Without their tokens. */
  make(count: number, zeroHostId: boolean): Uint8Array {
    const length = this.#cidLength;
    const cids = new Uint8Array(count * length);
    failoverCids(length, count, cids, this.#random, { zeroHostId });
    if (length < markedFrom(zeroHostId)) return cids;
    const bodies = new Uint8Array(count * (length - MARK));
    for (let i = 0; i < count; i++) {
      const body = cids.subarray(i * length, (i + 1) * length - MARK);
      bodies.set(body, i * body.length);
    }
    const marks = new Uint8Array(count * RESET_TOKEN_LENGTH);
    this.#marks.batch(bodies, length - MARK, count, marks);
    for (let i = 0; i < count; i++) {
      const mark = marks.subarray(i * RESET_TOKEN_LENGTH, i * RESET_TOKEN_LENGTH + MARK);
      cids.set(mark, (i + 1) * length - MARK);
    }
    return cids;
  }

  /** Whether a CID was made here, but for one in 65536 that was not. */
  made(cid: Uint8Array): boolean {
    if (cid.length !== this.#cidLength || cid.length < markedFrom(false)) return false;
    const [body, mark] = [cid.subarray(0, -MARK), cid.subarray(-MARK)];
    return Buffer.compare(this.#marks.of(body).subarray(0, MARK), mark) === 0;
  }
}

/** Octets of the shortest CIDs that have room for a mark: 10, and 14 with a zero host ID. */
function markedFrom(zeroHostId: boolean): number {
  return (zeroHostId ? FIXED.zeroHostId : FIXED.plain) + RANDOM + MARK;
}
