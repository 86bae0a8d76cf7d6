// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../core/errors.js';

/** Throws CID_CONFIG_INVALID unless `value` is an integer within both bounds. */
export function requireIntegerIn(
  field: string,
  value: number,
  minimum: number,
  maximum: number,
): void {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return;
  throw new CidecarError(
    'CID_CONFIG_INVALID',
    `must be a whole number from ${minimum} to ${maximum}, not ${value}`,
    { field },
  );
}
