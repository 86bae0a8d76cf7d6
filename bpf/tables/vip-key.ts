// SPDX-License-Identifier: Apache-2.0
import { addressOctets } from './mapped-address.js';

export type VipProtocol = 'udp' | 'tcp';

/** Which packets are for a VIP. */
export interface VipKey {
  /** Text of an IPv4 or IPv6 address. */
  readonly address: string;
  /** 1..65535, or 0 for every port. */
  readonly port: number;
  readonly protocol: VipProtocol;
}

/** IP protocols. */
export const PROTOCOLS: Readonly<Record<VipProtocol, number>> = { tcp: 6, udp: 17 };

/** A key as a slot of the kernel's table has it. */
export interface RawKey {
  readonly address: Uint8Array;
  readonly port: number;
  readonly protocol: number;
}

/** @throws RangeError for no port */
export function rawKey({ address, port, protocol }: VipKey): RawKey {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) throw new RangeError(`no port ${port}`);
  return { address: addressOctets(address), port, protocol: PROTOCOLS[protocol] };
}

/** The key that marks an address as some VIP's: protocol 0, port 0 (abi.h, VIP_ADDRESS). */
export function markerOf({ address }: RawKey): RawKey {
  return { address, port: 0, protocol: 0 };
}
