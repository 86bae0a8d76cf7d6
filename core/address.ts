// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

export interface Address {
  /** RFC 5952 for IPv6, dotted decimal for IPv4: equal addresses have equal text. */
  readonly text: string;
  readonly family: 4 | 6;
}

const LINK_LOCAL = 'is a link-local address, which is not routed';

/** What is wrong with an address as a person wrote it; `allowed` finishes "must be ...". */
export type AddressReading = { readonly address: Address } | { readonly problem: string };

/**
 * Reads the address of one host that packets can be routed to. IPv4-mapped IPv6 (RFC 4291
 * section 2.5.5.2) is refused, because the packet program writes IPv4 in that form and would
 * take the two for one; the IPv4-compatible form is deprecated (section 2.5.5.1).
 */
export function readAddress(text: string): AddressReading {
  if (isIPv4(text)) {
    const [first = 0, second] = text.split('.').map(Number);
    if (first === 0) return { problem: 'is in 0.0.0.0/8, which is no host' };
    if (first === 127) return { problem: 'is a loopback address, which means each host itself' };
    if (first === 169 && second === 254) return { problem: LINK_LOCAL };
    if (first >= 224) return { problem: 'is a multicast or reserved address, which is no host' };
    return { address: { text, family: 4 } };
  }
  if (text.includes('%'))
    return { problem: 'has a zone; only addresses without one can be routed' };
  if (!isIPv6(text)) return { problem: 'is neither an IPv4 nor an IPv6 address' };
  const canonical = new SocketAddress({ address: text, family: 'ipv6' }).address;
  if (canonical === '::') return { problem: 'is the unspecified address, which is no host' };
  if (canonical === '::1')
    return { problem: 'is the loopback address, which means each host itself' };
  // Of all addresses only those of these two forms are written with dots.
  if (canonical.includes('.')) {
    return { problem: 'is an IPv4 address in IPv6 form; write it as IPv4' };
  }
  if (/^fe[89ab]/.test(canonical)) return { problem: LINK_LOCAL };
  if (canonical.startsWith('ff')) return { problem: 'is a multicast address, which is no host' };
  return { address: { text: canonical, family: 6 } };
}

/** The family of an address that was read: {@link readAddress}, the kernel. */
export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}
