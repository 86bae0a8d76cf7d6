// SPDX-License-Identifier: Apache-2.0
import { RESET_TOKEN_LENGTH } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import type { CidBatch } from '../../proto/gen/cidecar/v1/sidecar.js';
import { isCidLength } from './cid-length.js';

/**
 * Why a batch cannot be used; undefined where it can.
 *
 * @param known the CID length of this server in octets, once it is known
 */
export function whyUnusable(batch: CidBatch, known: number | undefined): CidecarError | undefined {
  const { cids, tokens, count, cidLength } = batch;
  if (known !== undefined && cidLength !== known) {
    return new CidecarError(
      'CONFIG_UNUSABLE',
      `the sidecar's CIDs have ${cidLength} octets, this server's ${known}: restart the server`,
    );
  }
  if (!isCidLength(cidLength)) {
    return new CidecarError(
      'CONFIG_UNUSABLE',
      `CIDs of ${cidLength} octets: 0b111 ones of that length cannot be made`,
    );
  }
  if (count * cidLength === cids.length && count * RESET_TOKEN_LENGTH === tokens.length) {
    return undefined;
  }
  return new CidecarError('SIDECAR_UNAVAILABLE', 'a batch does not have the length that it says');
}
