// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/errors.js';
import { ENCAP, REAL, REAL_DOWN, REAL_OVERHEAD_SHIFT } from './layout.js';
import { addressOctets, addressText, isMapped } from './mapped-address.js';

export type RealEncapsulation = 'ipip' | 'gue' | 'l2';

/** Where packets for a real leave this host. */
export interface NextHop {
  /** Destination MAC, 6 octets; all zero means back to the neighbour that a packet came from. */
  readonly mac: Uint8Array;
  /** The interface to redirect to; 0 to transmit on the one that a packet came in by. */
  readonly ifindex: number;
  /** MAC of that interface, 6 octets; unused if `mac` is zero. */
  readonly sourceMac: Uint8Array;
}

export interface RealSpec {
  /** Text of an IPv4 or IPv6 address. */
  readonly address: string;
  readonly encapsulation: RealEncapsulation;
  /** Outer source addresses. Tunnels need the one of the server's family; L2 needs none. */
  readonly source4?: string;
  readonly source6?: string;
  /** 16 bits; grows with each reuse of the index. */
  readonly incarnation: number;
  /** Default: send back to the neighbour that a packet came from. */
  readonly nextHop?: NextHop;
  readonly down?: boolean;
  /** Octets of the largest packet on the way, outer header included. Default: {@link NO_MTU}. */
  readonly mtu?: number;
}

/** The longest IP packet; as the MTU of a real it means that the real has no limit of its own. */
export const NO_MTU = 65_535;

/** What the kernel holds of a real. */
export interface RealState {
  readonly index: number;
  readonly address: string;
  /** undefined for L2, which has no tunnel. */
  readonly source: string | undefined;
  readonly encapsulation: RealEncapsulation;
  readonly incarnation: number;
  readonly nextHop: NextHop;
  readonly down: boolean;
  /** {@link NO_MTU} where only the MTU of the settings counts. */
  readonly mtu: number;
}

/** TTL or hop limit of outer headers; the default of RFC 1700 and of Linux. */
const HOPS = 64;
const IP4_SOURCE = 12;
const IP4_DESTINATION = 16;
const IP4_LENGTH = 20;
const IP6_SOURCE = 8;
const IP6_DESTINATION = 24;
const DONT_FRAGMENT = 0x40;
/** Octets of the outer headers, by kind; UDP has 8. */
const OVERHEAD: Readonly<Record<number, number>> = {
  [ENCAP.ip4]: 20,
  [ENCAP.ip6]: 40,
  [ENCAP.gue4]: 28,
  [ENCAP.gue6]: 48,
};

const BACK: NextHop = { mac: new Uint8Array(6), ifindex: 0, sourceMac: new Uint8Array(6) };

/** A struct real, its first word included. @throws CidecarError ARGUMENT_INVALID */
export function encodeReal(spec: RealSpec): Uint8Array {
  const octets = new Uint8Array(REAL.size);
  const view = new DataView(octets.buffer);
  const destination = addressOctets(spec.address);
  octets.set(encodeFirstWord(kindOf(spec, destination), spec.nextHop ?? BACK, spec.down ?? false));
  octets.set((spec.nextHop ?? BACK).sourceMac, REAL.source_mac);
  view.setUint16(REAL.incarnation, spec.incarnation, true);
  view.setUint32(REAL.ifindex, (spec.nextHop ?? BACK).ifindex, true);
  view.setUint16(REAL.mtu, spec.mtu ?? NO_MTU, true);
  if (spec.encapsulation === 'l2') {
    octets.set(destination, REAL.outer + IP6_DESTINATION);
    return octets;
  }

  if (isMapped(destination)) {
    const outer = octets.subarray(REAL.outer, REAL.outer + IP4_LENGTH);
    outer.set([0x45, 0, 0, 0, 0, 0, DONT_FRAGMENT, 0, HOPS]);
    outer.set(sourceOf(spec.source4, true).subarray(12), IP4_SOURCE);
    outer.set(destination.subarray(12), IP4_DESTINATION);
    view.setUint16(REAL.checksum, partialChecksum(outer), true);
  } else {
    const outer = octets.subarray(REAL.outer);
    outer.set([0x60, 0, 0, 0, 0, 0, 0, HOPS]);
    outer.set(sourceOf(spec.source6, false), IP6_SOURCE);
    outer.set(destination, IP6_DESTINATION);
  }
  return octets;
}

/** The publish word: next hop, kind, flags. */
export function encodeFirstWord(kind: number, nextHop: NextHop, down: boolean): Uint8Array {
  const octets = new Uint8Array(8);
  octets.set(nextHop.mac, REAL.next_hop);
  octets[REAL.kind] = kind;
  octets[REAL.flags] = ((OVERHEAD[kind] ?? 0) << REAL_OVERHEAD_SHIFT) | (down ? REAL_DOWN : 0);
  return octets;
}

/** undefined if the index is not programmed. */
export function decodeReal(index: number, octets: Uint8Array): RealState | undefined {
  const view = new DataView(octets.buffer, octets.byteOffset, REAL.size);
  const kind = octets[REAL.kind]!;
  if (kind === ENCAP.none) return undefined;
  const four = kind === ENCAP.ip4 || kind === ENCAP.gue4;
  const outer = octets.subarray(REAL.outer);
  const text = (at4: number, at6: number) =>
    four ? outer.subarray(at4, at4 + 4).join('.') : addressText(outer.subarray(at6, at6 + 16));
  return {
    index,
    address: text(IP4_DESTINATION, IP6_DESTINATION),
    source: kind === ENCAP.l2 ? undefined : text(IP4_SOURCE, IP6_SOURCE),
    encapsulation:
      kind === ENCAP.l2 ? 'l2' : kind === ENCAP.gue4 || kind === ENCAP.gue6 ? 'gue' : 'ipip',
    incarnation: view.getUint16(REAL.incarnation, true),
    nextHop: {
      mac: octets.slice(REAL.next_hop, REAL.next_hop + 6),
      ifindex: view.getUint32(REAL.ifindex, true),
      sourceMac: octets.slice(REAL.source_mac, REAL.source_mac + 6),
    },
    down: (octets[REAL.flags]! & REAL_DOWN) !== 0,
    mtu: view.getUint16(REAL.mtu, true),
  };
}

function kindOf(spec: RealSpec, destination: Uint8Array): number {
  if (spec.encapsulation === 'l2') return ENCAP.l2;
  if (spec.encapsulation === 'gue') return isMapped(destination) ? ENCAP.gue4 : ENCAP.gue6;
  return isMapped(destination) ? ENCAP.ip4 : ENCAP.ip6;
}

function sourceOf(text: string | undefined, ip4: boolean): Uint8Array {
  const family = ip4 ? 'IPv4' : 'IPv6';
  if (text === undefined) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `a tunnel to an ${family} server needs an ${family} source address`,
    );
  }
  const octets = addressOctets(text);
  if (isMapped(octets) !== ip4) {
    throw new CidecarError('ARGUMENT_INVALID', `${text} is no ${family} address`);
  }
  return octets;
}

/** The `checksum` of struct real in abi.h: the template's words without those of the source. */
function partialChecksum(outer: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < IP4_LENGTH; i += 2) {
    if (i === IP4_SOURCE || i === IP4_SOURCE + 2) continue;
    sum += outer[i]! | (outer[i + 1]! << 8);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}
