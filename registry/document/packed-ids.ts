// SPDX-License-Identifier: Apache-2.0
import { ITEMS_PER_STEP, runAtOnce, type Steps } from './steps.js';

/** The buffer that each list has its views of; the lists themselves never change. */
const octetsBehind = new WeakMap<readonly Uint8Array[], Uint8Array>();

/** IDs of `length` octets each, as views of one buffer that packedIds finds again. */
export function unpackIds(octets: Uint8Array, length: number): readonly Uint8Array[] {
  return runAtOnce(unpackIdsInSteps(octets, length));
}

export function* unpackIdsInSteps(
  octets: Uint8Array,
  length: number,
): Steps<readonly Uint8Array[]> {
  const ids: Uint8Array[] = [];
  for (let at = 0; at < octets.length; at += length) {
    ids.push(octets.subarray(at, at + length));
    if (ids.length % ITEMS_PER_STEP === 0) yield;
  }
  octetsBehind.set(ids, octets);
  return ids;
}

/** The IDs of a list in one piece: the buffer of unpackIds, or a copy of any other list. */
export function packedIds(ids: readonly Uint8Array[]): Uint8Array {
  return octetsBehind.get(ids) ?? Buffer.concat(ids);
}
