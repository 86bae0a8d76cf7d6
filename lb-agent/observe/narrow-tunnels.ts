// SPDX-License-Identifier: Apache-2.0
import type { Balancer } from '../../bpf/tables/index.js';
import { familyOf } from '../../core/index.js';

/** A server on whose way a router says that less fits than this balancer sends. */
export interface NarrowTunnel {
  /** Index of the server's real. */
  readonly real: number;
  readonly address: string;
  /** Octets of the outer packet that fit, as the router said last. */
  readonly mtu: number;
  /** Octets of the largest outer packet that is sent to the server. */
  readonly sent: number;
  /** How many such errors came. */
  readonly packets: number;
  /** Seconds since the last one. */
  readonly age: number;
}

/** Octets of the smallest MTU that a link may have, by family (RFC 791, RFC 8200). */
const LEAST = { 4: 68, 6: 1280 } as const;

/**
 * Seconds after which an error no longer counts: while packets are lost, routers send more of
 * them. Hosts forget a path MTU after the same time (RFC 1191 section 6.3, RFC 8201 section 4).
 */
const FORGOTTEN_AFTER = 600;

/**
 * What routers have said of late about tunnels to the servers of these tables. Packets that do
 * not fit are lost there, and are counted as sent here. Anybody can forge what routers say, so
 * it is something to look at, and nothing follows from it.
 *
 * @param now seconds of CLOCK_MONOTONIC
 */
export function narrowTunnels(
  balancer: Pick<Balancer, 'reals' | 'settings' | 'tunnelMtus'>,
  now: number,
): NarrowTunnel[] {
  const said = new Map(balancer.tunnelMtus().map((each) => [each.address, each]));
  if (said.size === 0) return [];
  const { mtu: ofLink } = balancer.settings;
  return balancer.reals().flatMap(({ index: real, address, encapsulation, mtu: own }) => {
    const { mtu = 0, packets = 0, seconds = 0 } = said.get(address) ?? {};
    const sent = Math.min(ofLink, own);
    const age = Math.max(0, Math.floor(now) - seconds);
    const possible = mtu >= LEAST[familyOf(address)] && mtu < sent;
    if (!possible || packets === 0 || encapsulation === 'l2' || age > FORGOTTEN_AFTER) return [];
    return [{ real, address, mtu, sent, packets, age }];
  });
}

/** Seconds of CLOCK_MONOTONIC, the clock of the packet program. */
export function monotonicSeconds(): number {
  return Number(process.hrtime.bigint() / 1_000_000_000n);
}
