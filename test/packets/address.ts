// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from 'node:net';

/** Octets of a MAC written as `02:00:00:00:00:01`. */
export function mac(text: string): Uint8Array {
  const octets = text.split(':').map((part) => Number.parseInt(part, 16));
  if (octets.length !== 6 || octets.some((octet) => !(octet >= 0 && octet <= 255))) {
    throw new RangeError(`not a MAC address: ${text}`);
  }
  return Uint8Array.from(octets);
}

/** Octets (4 or 16) of an IP address in text form. */
export function ip(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split('.').map(Number));
  if (!isIPv6(text)) throw new RangeError(`not an IP address: ${text}`);
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  let plain = text;
  if (dotted !== null) {
    const [a = 0, b = 0, c = 0, d = 0] = (dotted[2] ?? '').split('.').map(Number);
    plain = `${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups =
    tail === undefined
      ? left
      : [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];
  const octets = new Uint8Array(16);
  groups.forEach((group, i) => {
    const word = Number.parseInt(group, 16);
    octets[2 * i] = word >> 8;
    octets[2 * i + 1] = word & 0xff;
  });
  return octets;
}

/** An address in the form of the maps: IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
export function mapped(address: Uint8Array): Uint8Array {
  if (address.length === 16) return address;
  const octets = new Uint8Array(16);
  octets[10] = 0xff;
  octets[11] = 0xff;
  octets.set(address, 12);
  return octets;
}

export function macText(octets: Uint8Array): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join(':');
}

/** Text of 4 or 16 octets; in IPv6 the first longest run of zero groups is left out (RFC 5952). */
export function ipText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((octets[2 * i] ?? 0) << 8) | (octets[2 * i + 1] ?? 0)).toString(16),
  );
  const text = groups.join(':');
  const runs = [...text.matchAll(/(?<=^|:)0(?::0)+(?=:|$)/g)].sort(
    (a, b) => b[0].length - a[0].length,
  );
  const run = runs[0];
  if (run === undefined) return text;
  const before = text.slice(0, run.index).replace(/:$/, '');
  const after = text.slice(run.index + run[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}
