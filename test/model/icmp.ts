// SPDX-License-Identifier: Apache-2.0
import { finish, sum16, transportChecksum } from '../packets/checksum.js';
import { type Datagram, lengthsAgree, PROTOCOL, readIpv4, readIpv6, word16 } from './datagram.js';
import { scidOf } from './quic.js';

const HEADER_OCTETS = 8;
/** RFC 792: unreachable, time exceeded, parameter problem. RFC 4443: all errors it defines. */
const ERRORS = { 4: [3, 11, 12], 6: [1, 2, 3, 4] };

export interface Quoted {
  /** The quoted packet with its ends swapped, so that it looks like one from the client. */
  readonly flow: Datagram;
  /** The SCID, if the quote contains all of it. */
  readonly scid: Uint8Array | undefined;
}

export function isIcmpError(frame: Uint8Array, { family, transport }: Datagram): boolean {
  return ERRORS[family].includes(frame[transport] ?? 0);
}

/**
 * Reads the packet that an error quotes. Returns undefined unless that packet came from the
 * address to which the error is sent. Quotes are cut short, so the lengths that the quoted
 * headers state are not checked.
 */
export function readQuoted(frame: Uint8Array, error: Datagram): Quoted | undefined {
  if (!lengthsAgree(frame, error)) return undefined;
  const at = error.transport + HEADER_OCTETS;
  const read = error.family === 4 ? readIpv4(frame, at) : readIpv6(frame, at);
  // A first fragment will do: it has the ports, and the data that is read after them.
  if (read.kind !== 'transport' && read.kind !== 'first-fragment') return undefined;
  const sent = read.datagram;
  if (sent.protocol !== PROTOCOL.udp && sent.protocol !== PROTOCOL.tcp) return undefined;
  const end = error.header + error.octets;
  if (sent.transport + 8 > end) return undefined;
  if (Buffer.compare(sent.source, error.destination) !== 0) return undefined;
  const flow = {
    ...sent,
    source: sent.destination,
    destination: sent.source,
    sourcePort: sent.destinationPort,
    destinationPort: sent.sourcePort,
  };
  return { flow, scid: wholeScid(frame.subarray(sent.transport + 8, end)) };
}

function wholeScid(datagram: Uint8Array): Uint8Array | undefined {
  const scid = scidOf(datagram);
  if (scid === undefined) return undefined;
  const length = datagram[6 + (datagram[5] ?? 0)];
  return scid.length === length ? scid : undefined;
}

/**
 * An MTU that no sender has to heed: RFC 8201 section 4, and RFC 9000 section 14.2.1 with 1200
 * octets behind IPv4 and UDP.
 */
export function claimsTooSmallMtu(
  frame: Uint8Array,
  { family, transport }: Datagram,
  quic: boolean,
): boolean {
  const [type, code] = [frame[transport], frame[transport + 1]];
  const low = word16(frame, transport + 6);
  if (family === 6) return type === 2 && word16(frame, transport + 4) === 0 && low < 1280;
  return quic && type === 3 && code === 4 && low < 20 + 8 + 1200;
}

/** "Too big", with an MTU, about a tunnel packet that the receiver of the error has sent. */
export function isAboutOwnTunnel(frame: Uint8Array, error: Datagram, guePort: number): boolean {
  const { family, transport } = error;
  const [type, code] = [frame[transport], frame[transport + 1]];
  const low = word16(frame, transport + 6);
  const tooBig =
    family === 6
      ? type === 2 && (low !== 0 || word16(frame, transport + 4) !== 0)
      : type === 3 && code === 4 && low !== 0;
  if (!tooBig) return false;
  const at = transport + HEADER_OCTETS;
  const read = family === 4 ? readIpv4(frame, at) : readIpv6(frame, at);
  const sent = read.kind === 'foreign' ? read.ip : read.kind === 'transport' && read.datagram;
  if (!sent || Buffer.compare(sent.source, error.destination) !== 0) return false;
  if (read.kind === 'foreign') {
    return sent.protocol === PROTOCOL.ipip || sent.protocol === PROTOCOL.ipv6;
  }
  return sent.protocol === PROTOCOL.udp && sent.destinationPort === guePort;
}

/** Octets of a packet that an answer quotes, fixed for the sake of the checksum's cost. */
const QUOTED = { 4: 512, 6: 1280 - 40 - HEADER_OCTETS };

/** What every link carries: RFC 791 section 3.2, RFC 8200 section 5. */
const MTU_MINIMUM = { 4: 68, 6: 1280 };

/**
 * "Fragmentation needed" (RFC 1191) or "packet too big" (RFC 4443 section 3.2) about a frame,
 * from its destination, back to where it came from. Undefined where none may be sent: to
 * nobody in particular (RFC 1122 section 3.2.2), of an MTU below what every link has, or about a packet
 * shorter than the quote.
 */
export function tooBigAnswer(
  frame: Uint8Array,
  datagram: Datagram,
  mtu: number,
): Uint8Array | undefined {
  const { family, header, source } = datagram;
  const quoted = frame.subarray(header, header + QUOTED[family]);
  if (mtu < MTU_MINIMUM[family]) return undefined;
  if (((frame[0] ?? 0) & 1) !== 0 || !isHost(source) || quoted.length < QUOTED[family]) {
    return undefined;
  }
  const link = frame.slice(0, header);
  link.set(frame.subarray(6, 12), 0);
  link.set(frame.subarray(0, 6), 6);
  const message = new Uint8Array(HEADER_OCTETS + quoted.length);
  message.set(family === 4 ? [3, 4] : [2, 0], 0);
  new DataView(message.buffer).setUint32(4, mtu);
  message.set(quoted, HEADER_OCTETS);
  const ip = family === 4 ? answerIpv4(datagram, message) : answerIpv6(datagram, message);
  return Uint8Array.from(Buffer.concat([link, ip, message]));
}

function isHost(source: Uint8Array): boolean {
  const first = source[0] ?? 0;
  if (source.length === 4) return first !== 0 && first !== 127 && first < 224;
  return first !== 0xff && source.some((octet) => octet !== 0);
}

function answerIpv4({ source, destination }: Datagram, message: Uint8Array): Uint8Array {
  const header = new Uint8Array(20);
  const view = new DataView(header.buffer);
  header[0] = 0x45;
  view.setUint16(2, 20 + message.length);
  view.setUint16(6, 0x4000);
  header.set([64, PROTOCOL.icmp], 8);
  header.set(destination, 12);
  header.set(source, 16);
  view.setUint16(10, finish(sum16(header)));
  new DataView(message.buffer).setUint16(2, finish(sum16(message)));
  return header;
}

function answerIpv6({ source, destination }: Datagram, message: Uint8Array): Uint8Array {
  const header = new Uint8Array(40);
  header[0] = 0x60;
  new DataView(header.buffer).setUint16(4, message.length);
  header.set([PROTOCOL.icmp6, 64], 6);
  header.set(destination, 8);
  header.set(source, 24);
  const checksum = transportChecksum(
    { source: destination, destination: source },
    PROTOCOL.icmp6,
    message,
  );
  new DataView(message.buffer).setUint16(2, checksum);
  return header;
}
