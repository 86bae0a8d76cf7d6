// SPDX-License-Identifier: Apache-2.0
import { ITEMS_PER_STEP, runAtOnce, type Steps } from './steps.js';

/** The octets behind each list of views; the lists themselves never change. */
const octetsBehind = new WeakMap<readonly Uint8Array[], Uint8Array>();

/** IDs of `length` octets each as views of one buffer, which is found again by packedIds. */
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

/** The IDs of a list in one piece; made anew where the list was not made by unpackIds. */
export function packedIds(ids: readonly Uint8Array[]): Uint8Array {
  return octetsBehind.get(ids) ?? Buffer.concat(ids);
}
