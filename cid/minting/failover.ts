// SPDX-License-Identifier: Apache-2.0

import { FAILOVER_CONFIG_ID, firstOctet } from '../first-octet.js';
import { requireIntegerIn } from '../require-integer.js';
import { MAX_CID_LENGTH } from '../schemes/quic-lb.js';
import type { RandomFill } from '../types.js';

/** Octets. draft-ietf-quic-load-balancers-22, "Config Failover". */
export const FAILOVER_MIN_CID_LENGTH = 8;

/** Octets behind the first one. */
const KATRAN_V3_HOST_ID = 4;

export interface FailoverOptions {
  /**
   * For pools with Katran V3, which reads what begins with 0b111 as its own: host ID 0,
   * which it never routes, in place of as many random octets.
   */
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
  requireIntegerIn('cidLength', cidLength, FAILOVER_MIN_CID_LENGTH, MAX_CID_LENGTH);
  if (out.length < count * cidLength) {
    throw new RangeError(`out has ${out.length} octets; ${count * cidLength} are written`);
  }
  random(out.subarray(0, count * cidLength));
  const first = firstOctet(FAILOVER_CONFIG_ID, cidLength);
  for (let i = 0; i < count; i++) {
    const at = i * cidLength;
    out[at] = first;
    if (zeroHostId) out.fill(0, at + 1, at + 1 + KATRAN_V3_HOST_ID);
  }
}

export function failoverCid(cidLength: number, random: RandomFill): Uint8Array {
  const cid = new Uint8Array(cidLength);
  failoverCids(cidLength, 1, cid, random);
  return cid;
}
