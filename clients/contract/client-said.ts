// SPDX-License-Identifier: Apache-2.0

/** Whether a client counted connections, by generation, as a scenario wants. */
export function same(
  is: ReadonlyMap<number, number> | undefined,
  wanted: ReadonlyMap<string, number>,
) {
  if (is === undefined || is.size !== wanted.size) return false;
  return [...wanted].every(([generation, count]) => is.get(Number(generation)) === count);
}

export function hexOf(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex');
}
