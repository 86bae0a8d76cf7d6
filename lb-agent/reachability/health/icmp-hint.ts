// SPDX-License-Identifier: Apache-2.0
import { addressText } from '../../../bpf/tables/index.js';
import { type Numbered, numberInProbe, viewOf } from './probe.js';

/** What an error of ICMP says of the way to a server. Anybody can forge it. */
export interface IcmpHint {
  /** Of the probe that it quotes, where it quotes as much. */
  readonly number: Numbered | undefined;
  /** The destination of the outermost packet that it quotes. */
  readonly destination: string;
  readonly says: string;
}

const UDP = 17;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const UDP_HEADER = 8;
const ICMP_HEADER = 8;

const IPV4_WORDS: Readonly<Record<number, string>> = {
  0: 'no route to its network',
  1: 'its host does not answer',
  9: 'its network is closed by a filter',
  10: 'its host is closed by a filter',
  13: 'a filter forbids it',
};
const IPV6_WORDS: Readonly<Record<number, string>> = {
  0: 'no route to its network',
  1: 'a filter forbids it',
  3: 'its host does not answer',
};

/**
 * Reads "destination unreachable", and "parameter problem" of IPv6.
 *
 * @param octets of IPv4 with the IP header, of IPv6 from the ICMP header on
 */
export function icmpHint(family: 4 | 6, octets: Uint8Array, guePort: number): IcmpHint | undefined {
  const start = family === 4 ? ((octets[0] ?? 0) & 0x0f) * 4 : 0;
  const [type, code = 0] = octets.subarray(start);
  const quote = readIp(octets.subarray(start + ICMP_HEADER));
  if (quote === undefined) return undefined;
  const port = quote.protocol === UDP ? destinationPort(quote.content) : undefined;
  const inner = innerOf(quote.protocol, quote.content, port === guePort);
  const probe = inner === undefined ? quote : readIp(inner);
  const number =
    probe?.protocol === UDP ? numberInProbe(probe.content.subarray(UDP_HEADER)) : undefined;
  const { destination } = quote;
  const refused = family === 4 ? type === 3 && code === 2 : type === 4 && code === 1;
  const closed = type === (family === 4 ? 3 : 1) && code === (family === 4 ? 3 : 4);
  if (refused) return { number, destination, says: `its host unwraps no such tunnel (ICMP)` };
  if (closed) {
    const says =
      inner === undefined
        ? `nothing listens on port ${port} (ICMP)`
        : `its host unwraps no GUE, nothing listens on port ${port} (ICMP)`;
    return { number, destination, says };
  }
  const words = (family === 4 ? IPV4_WORDS : IPV6_WORDS)[code];
  if (type === 4 || words === undefined) return undefined;
  return { number, destination, says: `a router says: ${words} (ICMP)` };
}

interface IpPacket {
  readonly protocol: number;
  readonly destination: string;
  readonly content: Uint8Array;
}

function readIp(octets: Uint8Array): IpPacket | undefined {
  const version = (octets[0] ?? 0) >> 4;
  const length = version === 4 ? ((octets[0] ?? 0) & 0x0f) * 4 : IPV6_HEADER;
  if ((version !== 4 && version !== 6) || length < IPV4_HEADER || octets.length < length) {
    return undefined;
  }
  const mapped = new Uint8Array(16);
  if (version === 4) mapped.set([0xff, 0xff, ...octets.subarray(16, 20)], 10);
  else mapped.set(octets.subarray(24, 40));
  return {
    protocol: octets[version === 4 ? 9 : 6] ?? 0,
    destination: addressText(mapped),
    content: octets.subarray(length),
  };
}

function innerOf(protocol: number, content: Uint8Array, gue: boolean): Uint8Array | undefined {
  if (protocol === 4 || protocol === 41) return content;
  return gue ? content.subarray(UDP_HEADER) : undefined;
}

function destinationPort(datagram: Uint8Array): number | undefined {
  return datagram.length < UDP_HEADER ? undefined : viewOf(datagram).getUint16(2);
}
