// SPDX-License-Identifier: Apache-2.0
import { RESET_TOKEN_LENGTH } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import type { CidBatch } from '../../proto/gen/cidecar/v1/sidecar.js';
import { isCidLength } from './cid-length.js';

/**
 * Why CIDs of this length cannot be used; undefined where they can, or it is not said.
 *
 * @param said octets
 * @param known the CID length of this server in octets, once it is known
 */
export function whyLengthUnusable(
  said: number | undefined,
  known: number | undefined,
): CidecarError | undefined {
  if (said === undefined) return undefined;
  if (known !== undefined && said !== known) {
    return new CidecarError(
      'CONFIG_UNUSABLE',
      `the sidecar's CIDs have ${said} octets, this server's ${known}: restart the server`,
    );
  }
  if (isCidLength(said)) return undefined;
  return new CidecarError(
    'CONFIG_UNUSABLE',
    `CIDs of ${said} octets: 0b111 ones of that length cannot be made`,
  );
}

/**
 * Why a batch cannot be used; undefined where it can.
 *
 * @param known the CID length of this server in octets, once it is known
 * @param outstanding how many CIDs were asked for and have not come
 */
export function whyUnusable(
  { cids, tokens, count, cidLength }: CidBatch,
  known: number | undefined,
  outstanding: number,
): CidecarError | undefined {
  const length = whyLengthUnusable(cidLength, known);
  if (length !== undefined) return length;
  if (count * cidLength !== cids.length || count * RESET_TOKEN_LENGTH !== tokens.length) {
    const message = 'a batch does not have the length that it says';
    return new CidecarError('SIDECAR_UNAVAILABLE', message);
  }
  if (count >= 1 && count <= outstanding) return undefined;
  const message = `a batch of ${count} CIDs came where ${outstanding} were asked for`;
  return new CidecarError('SIDECAR_UNAVAILABLE', message);
}
