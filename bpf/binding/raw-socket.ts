// SPDX-License-Identifier: Apache-2.0
import { guarded } from './errors.js';
import { addon, type NativeRawSocket, type RawSocketKind } from './native.js';

export type { RawSocketKind };

/**
 * A socket for whole packets, which takes CAP_NET_RAW. `ipv4` and `ipv6` send packets with their
 * IP header, from any source, as the host routes them; `link` sends them to a link address; these
 * receive nothing. `icmp` and `icmpv6` receive errors of ICMP and send nothing. It never blocks.
 */
export class RawSocket {
  readonly #native: NativeRawSocket;

  /** @throws CidecarError KERNEL_PERMISSION without CAP_NET_RAW */
  constructor(kind: RawSocketKind) {
    this.#native = guarded(() => new (addon().RawSocket)(kind));
  }

  /**
   * @param packets with their IP header; those of `link` after 4 octets of interface index, little
   *   endian, and 6 of link address
   * @returns the errno of each, 0 for what was sent
   */
  send(packets: readonly Uint8Array[]): Int32Array {
    return guarded(() => this.#native.send(packets));
  }

  /**
   * Reads the next packet: of IPv4 with its IP header, of IPv6 without.
   *
   * @param into as many octets of it as fit
   * @returns how many these are; undefined where no packet waits
   */
  receive(into: Uint8Array): number | undefined {
    return guarded(() => this.#native.receive(into));
  }

  close(): void {
    this.#native.close();
  }
}
