// SPDX-License-Identifier: Apache-2.0

/** The middle value; the lower of the two in the middle of an even number of values. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** That of the values below which about this share of them lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.floor((sorted.length - 1) * share)];
  if (value === undefined) throw new RangeError('no values');
  return value;
}

/** The distance between the quartiles, within which the middle half of the values lies. */
export function spread(values: readonly number[]): number {
  return quantile(values, 0.75) - quantile(values, 0.25);
}
