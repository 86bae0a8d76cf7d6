// SPDX-License-Identifier: Apache-2.0
import {
  FAILOVER_ZEROES,
  type FailoverForm,
  FailoverSequence,
  RESET_TOKEN_LENGTH,
  ResetTokens,
  type TokenMaker,
} from '../../cid/index.js';
import { Secret } from '../../core/index.js';
import type { NonceSpace } from '../state/nonce-space.js';
import type { MintedCids } from './mint-source.js';

/** Octets at the end of a CID that show that it was made here. */
const MARK_LENGTH = 2;
/** The fewest octets that a mark may leave for CIDs to differ by. */
const BODY_LENGTH = 7;
/** Octets that are fixed: the first, and the zeroes of pools where a config claims 0b111. */
const FIXED_LENGTH = { plain: 1, zeroHostId: 1 + FAILOVER_ZEROES };

export interface FailoverCidsOptions {
  /** The reset key of 0b111 CIDs, from which the key of the marks is derived. */
  readonly resetKey: Secret;
  readonly cidLength: number;
  /** The counters of a form, each of which is given out once, over restarts too. */
  space(form: FailoverForm): NonceSpace;
}

interface Source {
  readonly space: NonceSpace;
  readonly sequence: FailoverSequence;
}

/**
 * The 0b111 CIDs that this sidecar makes, none of them twice: they come from counters that were
 * recorded as used, as nonces are. Anybody can make such CIDs, and a client whose pool is
 * dry does, with tokens that only it knows. So a CID made here carries a mark in place of its
 * last random octets, and only for marked CIDs does the sidecar answer questions for a token.
 * Without the key the mark looks as random as the rest.
 */
export class FailoverCids {
  readonly #options: FailoverCidsOptions;
  readonly #marks: ResetTokens;
  readonly #sources = new Map<boolean, Source>();

  constructor(options: FailoverCidsOptions) {
    this.#options = options;
    // No 0b111 CID has these octets, so no token that is given out equals the key.
    const key = new ResetTokens(options.resetKey).of(Buffer.from('0b111 CIDs made here'));
    this.#marks = new ResetTokens(new Secret(key));
  }

  /** The counters that `make` uses. */
  space(zeroHostId: boolean): NonceSpace {
    return this.#source(zeroHostId).space;
  }

  /**
   * 1 to `count` CIDs, one after the other, without their tokens; undefined where no counter is
   * ready in the `space`.
   */
  make(count: number, zeroHostId: boolean): Uint8Array | undefined {
    const { space, sequence } = this.#source(zeroHostId);
    const range = space.take(count);
    if (range === undefined) return undefined;
    const cids = new Uint8Array(range.count * this.#options.cidLength);
    sequence.fill(range.first, range.count, cids);
    if (tailLength(this.#options.cidLength, zeroHostId) > 0) this.#mark(cids, range.count);
    return cids;
  }

  /** As `make`, with their tokens. */
  issue(most: number, zeroHostId: boolean, maker: TokenMaker): MintedCids | undefined {
    const cids = this.make(most, zeroHostId);
    if (cids === undefined) return undefined;
    const { cidLength } = this.#options;
    const count = cids.length / cidLength;
    const tokens = new Uint8Array(count * RESET_TOKEN_LENGTH);
    maker.batch(cids, cidLength, count, tokens);
    return { cids, tokens, count };
  }

  /** Whether a CID was made here. Also true for one in 65536 CIDs that were not. */
  made(cid: Uint8Array): boolean {
    if (cid.length !== this.#options.cidLength || cid.length < markedFrom(false)) return false;
    const [body, mark] = [cid.subarray(0, -MARK_LENGTH), cid.subarray(-MARK_LENGTH)];
    return Buffer.compare(this.#marks.of(body).subarray(0, MARK_LENGTH), mark) === 0;
  }

  #source(zeroHostId: boolean): Source {
    const known = this.#sources.get(zeroHostId);
    if (known !== undefined) return known;
    const { cidLength } = this.#options;
    const form = { cidLength, zeroHostId, tailLength: tailLength(cidLength, zeroHostId) };
    const space = this.#options.space(form);
    const source = { space, sequence: new FailoverSequence(form, space.permutationKey) };
    this.#sources.set(zeroHostId, source);
    return source;
  }

  #mark(cids: Uint8Array, count: number): void {
    const length = this.#options.cidLength;
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
  }
}

/** Octets of the mark, 0 where a CID has no room for it. */
function tailLength(cidLength: number, zeroHostId: boolean): number {
  return cidLength < markedFrom(zeroHostId) ? 0 : MARK_LENGTH;
}

/** The length of the shortest CIDs that have room for a mark: 10 octets, 14 with a zero host ID. */
function markedFrom(zeroHostId: boolean): number {
  return (zeroHostId ? FIXED_LENGTH.zeroHostId : FIXED_LENGTH.plain) + BODY_LENGTH + MARK_LENGTH;
}
