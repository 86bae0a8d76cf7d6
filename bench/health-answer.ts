// SPDX-License-Identifier: Apache-2.0
import type { Arrival } from '../lb-agent/reachability/health/wire.js';

const TO_INNER_UDP = 20 + 20;

/**
 * The Version Negotiation of a server to a probe in IPIP over IPv4.
 *
 * @param placeOf the place of a source port
 */
export function answerTo(
  octets: Uint8Array,
  placeOf: (port: number) => number,
): { from: Arrival; answer: Uint8Array } {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const place = placeOf(view.getUint16(TO_INNER_UDP));
  const port = view.getUint16(TO_INNER_UDP + 2);
  const address = octets.subarray(36, 40).join('.');
  const payload = octets.subarray(TO_INNER_UDP + 8);
  const answer = new Uint8Array(31);
  answer.set([0xaa, 0, 0, 0, 0, 8]);
  answer.set(payload.subarray(15, 23), 6);
  answer[14] = 8;
  answer.set(payload.subarray(6, 14), 15);
  answer.set([0x5a, 0x6a, 0x7a, 0x8a, 0, 0, 0, 1], 23);
  return { from: { family: 4, place, address, port }, answer };
}
