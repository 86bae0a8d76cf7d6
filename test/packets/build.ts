// SPDX-License-Identifier: Apache-2.0
/**
 * Packets from readable parts:
 *
 *     ethernet(
 *       ipv4({ source: '192.0.2.1', destination: '198.51.100.10' },
 *         udp({ source: 40000, destination: 443 }, quicShort({ dcid: cid }))))
 *
 * Lengths, checksums and "next" fields are computed. For packets that are wrong on purpose each
 * header takes an explicit `length`, `checksum` and so on.
 */
import { ipv4 } from './ipv4.js';
import { ipv6 } from './ipv6.js';
import type { Layer, Payload } from './layer.js';

export { ip, ipText, mac, macText, mapped } from './address.js';
export * from './ethernet.js';
export * from './icmp.js';
export * from './ipv4.js';
export * from './ipv6.js';
export * from './layer.js';
export * from './quic.js';
export * from './transport.js';

/** An IP header of the family of the two addresses, for tests that run in both families. */
export function ipAny(
  fields: { source: string; destination: string; hops?: number; tos?: number },
  payload: Payload,
): Layer {
  const { source, destination, hops = 64, tos = 0 } = fields;
  return fields.destination.includes(':')
    ? ipv6({ source, destination, hopLimit: hops, trafficClass: tos }, payload)
    : ipv4({ source, destination, ttl: hops, tos, dontFragment: true }, payload);
}
