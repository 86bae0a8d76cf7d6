// SPDX-License-Identifier: Apache-2.0

/** Of an odd number of values the middle one, of an even number the lower middle one. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which about this share of the values lies; one of the values itself. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.floor((sorted.length - 1) * share)];
  if (value === undefined) throw new RangeError('no values');
  return value;
}

/** Distance of the quartiles: the middle half of the values lies within it. */
export function spread(values: readonly number[]): number {
  return quantile(values, 0.75) - quantile(values, 0.25);
}
