// SPDX-License-Identifier: Apache-2.0

import { MAX_CID_LENGTH } from '../cid-length.js';
import { FAILOVER_CONFIG_ID, firstOctet } from '../first-octet.js';
import { checkInteger } from '../integer-range.js';
import type { CidCodec, RandomFill } from '../types.js';

/** Octets. draft-ietf-quic-load-balancers-22, "Config Failover". */
export const FAILOVER_MIN_CID_LENGTH = 8;

/**
 * The number of octets after the first one that are zero in 0b111 CIDs of a pool where a config
 * claims 0b111. Clients make such CIDs too, so the gRPC contract has it (`zero_host_id`).
 */
export const FAILOVER_ZEROES = 4;

/**
 * Whether a config claims 0b111, that is, reads CIDs that begin so as its own. Its scheme must
 * not route a CID with {@link FAILOVER_ZEROES}, which is how CIDs that mean failover look then.
 */
export function claimsFailover({ decodePlan }: CidCodec): boolean {
  return decodePlan.configBits.includes(FAILOVER_CONFIG_ID);
}

export interface FailoverOptions {
  /** Puts {@link FAILOVER_ZEROES} into each CID, for pools where a config claims 0b111. */
  readonly zeroHostId?: boolean;
}

/**
 * Fills `out` with `count` packed CIDs for a server that has no usable config. They begin with
 * 0b111, encode their length, and are random otherwise. No balancer decodes them, so give a
 * connection exactly one, and disable active migration ("Config Failover").
 *
 * @param cidLength octets, 8..20; the same as that of the server's other CIDs
 * @param random randomFillSync of node:crypto, unless a test says otherwise
 */
export function failoverCids(
  cidLength: number,
  count: number,
  out: Uint8Array,
  random: RandomFill,
  { zeroHostId = false }: FailoverOptions = {},
): void {
  checkInteger('cidLength', cidLength, {
    minimum: FAILOVER_MIN_CID_LENGTH,
    maximum: MAX_CID_LENGTH,
  });
  if (out.length < count * cidLength) {
    throw new RangeError(`out has ${out.length} octets; ${count * cidLength} are written`);
  }
  random(out.subarray(0, count * cidLength));
  const first = firstOctet(FAILOVER_CONFIG_ID, cidLength);
  for (let i = 0; i < count; i++) {
    const at = i * cidLength;
    out[at] = first;
    if (zeroHostId) out.fill(0, at + 1, at + 1 + FAILOVER_ZEROES);
  }
}

export function failoverCid(cidLength: number, random: RandomFill): Uint8Array {
  const cid = new Uint8Array(cidLength);
  failoverCids(cidLength, 1, cid, random);
  return cid;
}
