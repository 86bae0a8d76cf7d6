// SPDX-License-Identifier: Apache-2.0

import { MAX_CID_LENGTH } from '../cid-length.js';
import { FAILOVER_CONFIG_ID, firstOctet } from '../first-octet.js';
import { checkInteger } from '../integer-range.js';
import type { CidCodec, RandomFill } from '../types.js';

/** Octets. draft-ietf-quic-load-balancers-22, "Config Failover". */
export const FAILOVER_MIN_CID_LENGTH = 8;

/**
 * Octets after the first one that are zero where a config of the pool claims 0b111. The
 * contract fixes their number (`zero_host_id`), since clients make 0b111 CIDs too.
 */
export const FAILOVER_ZEROES = 4;

/**
 * Whether a config reads CIDs that begin with 0b111 as its own. Those that mean failover then
 * have {@link FAILOVER_ZEROES}, which every scheme that claims 0b111 must leave unrouted.
 */
export function claimsFailover({ plan }: CidCodec): boolean {
  return plan.configBits.includes(FAILOVER_CONFIG_ID);
}

export interface FailoverOptions {
  /** For pools with a config that claims 0b111: {@link FAILOVER_ZEROES}, which is no host's ID. */
  readonly zeroHostId?: boolean;
}

/**
 * Fills `out` with `count` packed CIDs for a server that has no usable config: 0b111, the
 * length self-encoded, the rest random. No balancer decodes them, so a connection should
 * get exactly one, and active migration should be disabled ("Config Failover").
 *
 * @param cidLength octets, 8..20; a server keeps the length of its other CIDs
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
