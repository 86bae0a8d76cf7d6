// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { SayOnce } from '../../core/index.js';

/** What a router said last of the way to a tunnel's end. */
export interface TunnelMtu {
  readonly address: string;
  /** Octets of the outer IP packet that fit. */
  readonly mtu: number;
  /** How many such answers came. */
  readonly packets: number;
}

/** Octets of the smallest MTU that a link may have, by family (RFC 791, RFC 8200). */
const LEAST = { 4: 68, 6: 1280 } as const;

/**
 * Warns where a router on the way to a server takes less than this balancer sends: packets for
 * it are lost there, and are counted as sent here. Anybody can forge what routers say, so
 * nothing follows from it but a line for each server and MTU.
 */
export class TunnelMtuWarnings {
  readonly #log: Logger;
  readonly #said = new SayOnce();

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * @param found as the packet program noted it
   * @param servers names by address; what is of none of them is passed over
   * @param mtu octets of the largest outer packet that this balancer sends
   */
  look(found: Iterable<TunnelMtu>, servers: ReadonlyMap<string, string>, mtu: number): void {
    for (const { address, mtu: fits, packets } of found) {
      const server = servers.get(address);
      if (server === undefined || packets === 0) continue;
      if (fits >= mtu || fits < LEAST[address.includes(':') ? 6 : 4]) continue;
      if (!this.#said.isNews(fits, address)) continue;
      this.#log.warn(
        { server, address, mtu: fits, sent: mtu, packets },
        'a router says that tunnels to this server do not fit: give the agent this MTU by --mtu, or raise that of the link',
      );
    }
  }
}
