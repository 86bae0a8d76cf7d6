// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../core/errors.js';

/** Both bounds are part of the range. */
export interface IntegerRange {
  readonly minimum: number;
  readonly maximum: number;
}

/** Throws CID_CONFIG_INVALID, with the name of the field, unless `value` is an integer in range. */
export function checkInteger(field: string, value: number, range: IntegerRange): void {
  const { minimum, maximum } = range;
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return;
  throw new CidecarError(
    'CID_CONFIG_INVALID',
    `must be a whole number from ${minimum} to ${maximum}, not ${value}`,
    { field },
  );
}
