// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from 'node:net';
import { CidecarError } from '../../core/errors.js';

/** The tables keep an IPv4 address as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** The 16 octets of an IPv4 or IPv6 address. @throws CidecarError ARGUMENT_INVALID */
export function addressOctets(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from([...MAPPED_PREFIX, ...ip4Octets(text)]);
  if (isIPv6(text) && !text.includes('%')) return ip6Octets(text);
  throw new CidecarError('ARGUMENT_INVALID', `${text} is no IP address`);
}

/** Whether 16 octets are an IPv4 address. */
export function isMapped(octets: Uint8Array): boolean {
  return MAPPED_PREFIX.every((octet, i) => octets[i] === octet);
}

/** The canonical text (RFC 5952) of 16 octets; dotted decimal for IPv4. */
export function addressText(octets: Uint8Array): string {
  if (isMapped(octets)) return octets.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((octets[2 * i]! << 8) | octets[2 * i + 1]!).toString(16),
  );
  // URL shortens the longest run of zeroes.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function ip4Octets(text: string): number[] {
  return text.split('.').map(Number);
}

function ip6Octets(text: string): Uint8Array {
  const tail = text.lastIndexOf(':') + 1;
  const dotted = text.includes('.') ? ip4Octets(text.slice(tail)) : undefined;
  const plain =
    dotted === undefined
      ? text
      : `${text.slice(0, tail)}${hex(dotted[0]!, dotted[1]!)}:${hex(dotted[2]!, dotted[3]!)}`;
  const [before = '', after] = plain.split('::');
  const left = before === '' ? [] : before.split(':');
  const right = after === undefined || after === '' ? [] : after.split(':');
  const zeroes = new Array<string>(8 - left.length - right.length).fill('0');
  const groups = after === undefined ? left : [...left, ...zeroes, ...right];
  const octets = new Uint8Array(16);
  groups.forEach((group, i) => {
    const value = Number.parseInt(group, 16);
    octets[2 * i] = value >> 8;
    octets[2 * i + 1] = value & 0xff;
  });
  return octets;
}

function hex(high: number, low: number): string {
  return ((high << 8) | low).toString(16);
}
