// SPDX-License-Identifier: Apache-2.0
import { ipText, macText } from './address.js';
import { finish, type PseudoHeader, sum16, transportChecksum } from './checksum.js';
import { ETHERTYPE, PROTOCOL } from './layer.js';

/**
 * Describes a frame as text, each header on a line, and says of each length and checksum whether
 * it is right. Failing tests print it, and frames with other octets are compared by it.
 */
export function describe(frame: Uint8Array): string {
  const lines: string[] = [];
  if (frame.length < 14) return `frame of ${frame.length} octets: ${hexText(frame)}`;
  lines.push(
    `ethernet ${macText(frame.subarray(6, 12))} > ${macText(frame.subarray(0, 6))} (${frame.length} octets)`,
  );
  let at = 12;
  let type = word(frame, at);
  while ((type === ETHERTYPE.vlan || type === ETHERTYPE.qinq) && at + 6 <= frame.length) {
    lines.push(`vlan ${word(frame, at + 2) & 0xfff} (0x${type.toString(16)})`);
    at += 4;
    type = word(frame, at);
  }
  describeNetwork(type, frame.subarray(at + 2), lines);
  return lines.map((line, i) => (i === 0 ? line : `  ${line}`)).join('\n');
}

function describeNetwork(type: number, packet: Uint8Array, lines: string[]): void {
  if (type === ETHERTYPE.ipv4 && packet.length >= 20) describeIpv4(packet, lines);
  else if (type === ETHERTYPE.ipv6 && packet.length >= 40) describeIpv6(packet, lines);
  else lines.push(`type 0x${type.toString(16)}: ${hexText(packet)}`);
}

function describeIpv4(packet: Uint8Array, lines: string[]): void {
  const [first = 0, tos = 0] = packet;
  const headerLength = (first & 15) * 4;
  const length = word(packet, 2);
  const fragment = word(packet, 6);
  const ok = finish(sum16(packet.subarray(0, headerLength))) === 0;
  const ip = { source: packet.subarray(12, 16), destination: packet.subarray(16, 20) };
  const flags = [
    fragment & 0x4000 ? 'DF' : '',
    fragment & 0x3fff & 0x2000 ? 'MF' : '',
    fragment & 0x1fff ? `offset ${(fragment & 0x1fff) * 8}` : '',
    headerLength === 20 ? '' : `header ${headerLength}`,
    length === packet.length ? '' : `LENGTH ${length} OF ${packet.length}`,
    ok ? '' : 'BAD CHECKSUM',
  ].filter((flag) => flag !== '');
  lines.push(
    `ipv4 ${ipText(ip.source)} > ${ipText(ip.destination)} tos 0x${tos.toString(16)} ` +
      `id ${word(packet, 4)} ttl ${packet[8]} protocol ${packet[9]} length ${length} ${flags.join(' ')}`.trimEnd(),
  );
  if ((fragment & 0x1fff) !== 0 || headerLength < 20) {
    lines.push(hexText(packet.subarray(20)));
    return;
  }
  describeTransport(packet[9] ?? 0, packet.subarray(headerLength, Math.max(length, 20)), ip, lines);
}

function describeIpv6(packet: Uint8Array, lines: string[]): void {
  const view = new DataView(packet.buffer, packet.byteOffset);
  const start = view.getUint32(0);
  const length = word(packet, 4);
  const ip = { source: packet.subarray(8, 24), destination: packet.subarray(24, 40) };
  lines.push(
    `ipv6 ${ipText(ip.source)} > ${ipText(ip.destination)} class 0x${((start >>> 20) & 0xff).toString(16)} ` +
      `label 0x${(start & 0xfffff).toString(16)} hops ${packet[7]} next ${packet[6]} length ${length}` +
      (length === packet.length - 40 ? '' : ` LENGTH OF ${packet.length - 40}`),
  );
  let next = packet[6] ?? 59;
  let at = 40;
  const skipped: number[] = [PROTOCOL.hopByHop, PROTOCOL.routing, PROTOCOL.destination];
  while (at + 8 <= packet.length && (skipped.includes(next) || next === PROTOCOL.fragment)) {
    const fragment = next === PROTOCOL.fragment;
    lines.push(
      fragment
        ? `fragment offset ${word(packet, at + 2) & 0xfff8}${word(packet, at + 2) & 1 ? ' MF' : ''}`
        : `extension ${next}`,
    );
    if (fragment && (word(packet, at + 2) & 0xfff8) !== 0) next = PROTOCOL.none;
    else next = packet[at] ?? 59;
    at += fragment ? 8 : ((packet[at + 1] ?? 0) + 1) * 8;
  }
  describeTransport(next, packet.subarray(at, 40 + length), ip, lines);
}

function describeTransport(
  protocol: number,
  segment: Uint8Array,
  ip: PseudoHeader,
  lines: string[],
): void {
  const bad = (known: number): string =>
    transportChecksum(ip, known, segment) === 0 ? '' : ' BAD CHECKSUM';
  if (protocol === PROTOCOL.ipip) describeNetwork(ETHERTYPE.ipv4, segment, lines);
  else if (protocol === PROTOCOL.ipv6) describeNetwork(ETHERTYPE.ipv6, segment, lines);
  else if (protocol === PROTOCOL.udp && segment.length >= 8) {
    const zero = word(segment, 6) === 0;
    lines.push(
      `udp ${word(segment, 0)} > ${word(segment, 2)} length ${word(segment, 4)}` +
        (zero ? ' no checksum' : bad(PROTOCOL.udp)),
    );
    lines.push(`payload ${hexText(segment.subarray(8))}`);
  } else if (protocol === PROTOCOL.tcp && segment.length >= 20) {
    lines.push(
      `tcp ${word(segment, 0)} > ${word(segment, 2)} flags 0x${(segment[13] ?? 0).toString(16)}${bad(PROTOCOL.tcp)}`,
    );
    lines.push(`payload ${hexText(segment.subarray(20))}`);
  } else if ((protocol === PROTOCOL.icmp || protocol === PROTOCOL.icmp6) && segment.length >= 8) {
    const six = protocol === PROTOCOL.icmp6;
    const ok = six ? bad(PROTOCOL.icmp6) : finish(sum16(segment)) === 0 ? '' : ' BAD CHECKSUM';
    lines.push(
      `icmp${six ? '6' : ''} type ${segment[0]} code ${segment[1]} ` +
        `rest 0x${hexText(segment.subarray(4, 8))}${ok}`,
    );
    const embedded = segment.subarray(8);
    describeNetwork(six ? ETHERTYPE.ipv6 : ETHERTYPE.ipv4, embedded, lines);
  } else lines.push(`protocol ${protocol}: ${hexText(segment)}`);
}

function word(octets: Uint8Array, at: number): number {
  return ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
}

export function hexText(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex');
}
