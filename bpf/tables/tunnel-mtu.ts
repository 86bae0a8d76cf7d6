// SPDX-License-Identifier: Apache-2.0
import type { ArrayView } from './array-view.js';
import { TUNNEL_MTU, TUNNEL_MTU_ROWS } from './layout.js';
import { addressText } from './mapped-address.js';

/** What a router said last of the way to a server: struct tunnel_mtu of abi.h. */
export interface TunnelMtu {
  /** The tunnel's end. Anybody can forge these errors: of no account unless it is a server's. */
  readonly address: string;
  /** Octets of the outer IP packet that fit, as the router says. */
  readonly mtu: number;
  /** Seconds of CLOCK_MONOTONIC when it came. */
  readonly seconds: number;
  /** How many came since the first, or since another server's took its row for a while. */
  readonly packets: number;
}

/** The rows that are in use. One that is being written may have old and new fields mixed. */
export function readTunnelMtus(view: ArrayView): TunnelMtu[] {
  const found: TunnelMtu[] = [];
  for (let row = 0; row < TUNNEL_MTU_ROWS; row++) {
    const at = row * TUNNEL_MTU.size;
    const server = view.value(row).subarray(TUNNEL_MTU.server, TUNNEL_MTU.server + 16);
    if (server.every((octet) => octet === 0)) continue;
    found.push({
      address: addressText(server),
      mtu: view.load32(at + TUNNEL_MTU.mtu),
      seconds: view.load32(at + TUNNEL_MTU.seconds),
      packets: Number(view.load64(at + TUNNEL_MTU.packets)),
    });
  }
  return found;
}
