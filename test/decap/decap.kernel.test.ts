// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BpfObject, type BpfProgram, objectPath } from '../../bpf/binding/index.js';
import { DECAP_PREFIX, DECAP_SETTINGS } from '../../bpf/tables/decap-layout.js';
import {
  ethernet,
  filler,
  hex,
  ip,
  ipv4,
  ipv6,
  type Layer,
  mapped,
  udp,
  vlan,
} from '../packets/build.js';

const PASS = 2;
const DROP = 1;
const VIP = '198.51.100.10';
const VIP6 = '2001:db8:f::10';
const BALANCER = '10.0.0.7';
const BALANCER6 = '2001:db8:6::7';
const SERVER = '10.0.1.11';
const SERVER6 = '2001:db8:5::11';
const GUE_PORT = 6080;

/** The names of enum decap_reason in decap.h, in its order. */
const REASONS = [
  'NOT_TUNNEL',
  'IP4_IN_IP4',
  'IP6_IN_IP4',
  'IP4_IN_IP6',
  'IP6_IN_IP6',
  'GUE_IP4',
  'GUE_IP6',
  'FRAGMENT',
  'MALFORMED',
  'SOURCE_REFUSED',
  'NOT_VIP',
  'CONGESTION',
  'NO_ROOM',
];

const request = (): Layer => udp({ source: 40000, destination: 443 }, filler(40));
const inner4 = (tos = 0): Layer =>
  ipv4({ source: '192.0.2.1', destination: VIP, tos, ttl: 63 }, request());
const inner6 = (trafficClass = 0): Layer =>
  ipv6({ source: '2001:db8:1::1', destination: VIP6, trafficClass, hopLimit: 63 }, request());
const outer4 = (inner: Layer, fields: Partial<Parameters<typeof ipv4>[0]> = {}): Layer =>
  ipv4({ source: BALANCER, destination: SERVER, dontFragment: true, ...fields }, inner);
const outer6 = (inner: Layer, fields: Partial<Parameters<typeof ipv6>[0]> = {}): Layer =>
  ipv6({ source: BALANCER6, destination: SERVER6, ...fields }, inner);

/** GUE variant 1: the IP header follows UDP directly; there is no checksum. */
const gue = (inner: Layer, destination = GUE_PORT): Layer =>
  udp({ source: 0xc123, destination, checksum: 0 }, inner.encode(undefined));

let object: BpfObject;
let program: BpfProgram;

beforeEach(async () => {
  object = await BpfObject.load(objectPath('decap'));
  program = object.program('decap');
});
afterEach(() => object.close());

function counts(): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [index, name] of REASONS.entries()) {
    const octets = object.map('decap_stats').lookup(index);
    if (octets === undefined) throw new Error('decap_stats is too short');
    const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
    let packets = 0n;
    for (let at = 0; at < octets.length; at += 16) packets += view.getBigUint64(at, true);
    if (packets > 0n) found[name] = Number(packets);
  }
  return found;
}

function run(frame: Uint8Array): { verdict: number; frame: Uint8Array } {
  const { retval, data } = program.testRun({ data: frame });
  return { verdict: retval, frame: Uint8Array.from(data) };
}

function setting(offset: number, value: number): void {
  const view = object.map('.data.decap').mmap();
  new DataView(view.buffer, view.byteOffset).setUint32(offset, value, true);
}
const checkSources = (): void => setting(DECAP_SETTINGS.check_sources, 1);
const checkVips = (): void => setting(DECAP_SETTINGS.check_vips, 1);

function allowSource(address: string, bits: number): void {
  const key = new Uint8Array(DECAP_PREFIX.size);
  new DataView(key.buffer).setUint32(DECAP_PREFIX.length, bits, true);
  key.set(mapped(ip(address)), DECAP_PREFIX.address);
  object.map('decap_sources').update(key, new Uint8Array(4));
}

describe('what the balancer sends arrives as the client sent it', () => {
  const cases: [string, Layer, Layer][] = [
    ['IP4_IN_IP4', outer4(inner4()), inner4()],
    ['IP6_IN_IP4', outer4(inner6()), inner6()],
    ['IP4_IN_IP6', outer6(inner4()), inner4()],
    ['IP6_IN_IP6', outer6(inner6()), inner6()],
    ['GUE_IP4', outer4(gue(inner4())), inner4()],
    ['GUE_IP4', outer4(gue(inner6())), inner6()],
    ['GUE_IP6', outer6(gue(inner4())), inner4()],
    ['GUE_IP6', outer6(gue(inner6())), inner6()],
  ];
  test.each(cases)('%s', (reason, tunnel, inner) => {
    expect(run(ethernet(tunnel))).toEqual({ verdict: PASS, frame: ethernet(inner) });
    expect(counts()).toEqual({ [reason]: 1 });
  });

  test('VLAN tags stay in front', () => {
    expect(run(ethernet(vlan({ id: 7 }, outer4(inner4()))))).toEqual({
      verdict: PASS,
      frame: ethernet(vlan({ id: 7 }, inner4())),
    });
  });
});

describe('ECN at the end of the tunnel (RFC 6040 section 4.2)', () => {
  const NOT_ECT = 0;
  const ECT1 = 1;
  const ECT0 = 2;
  const CE = 3;
  const leaves = (inner: number, outer: number): number | undefined => {
    const table: Record<number, (number | undefined)[]> = {
      // Outer:   Not-ECT  ECT(1)   ECT(0)   CE
      [NOT_ECT]: [NOT_ECT, NOT_ECT, NOT_ECT, undefined],
      [ECT1]: [ECT1, ECT1, ECT1, CE],
      [ECT0]: [ECT0, ECT1, ECT0, CE],
      [CE]: [CE, CE, CE, CE],
    };
    return table[inner]?.[outer];
  };
  const DSCP = 0xb8;
  for (const inner of [NOT_ECT, ECT1, ECT0, CE]) {
    for (const outer of [NOT_ECT, ECT1, ECT0, CE]) {
      const left = leaves(inner, outer);
      test(`inner ${inner}, outer ${outer}: ${left ?? 'dropped'}`, () => {
        for (const make of [inner4, inner6]) {
          for (const frame of [
            ethernet(outer4(make(DSCP | inner), { tos: outer })),
            ethernet(outer6(make(DSCP | inner), { trafficClass: outer })),
          ]) {
            const result = run(frame);
            if (left === undefined) expect(result.verdict).toBe(DROP);
            else expect(result).toEqual({ verdict: PASS, frame: ethernet(make(DSCP | left)) });
          }
        }
        if (left === undefined) expect(counts()).toEqual({ CONGESTION: 4 });
      });
    }
  }
});

describe('what is no tunnel passes untouched', () => {
  const other = ipv4({ source: '192.0.2.1', destination: SERVER }, request());
  const cases: [string, Uint8Array][] = [
    ['UDP', ethernet(other)],
    ['UDP to another port than GUE', ethernet(outer4(gue(inner4(), GUE_PORT + 1)))],
    [
      'GUE variant 0',
      ethernet(outer4(udp({ source: 1, destination: GUE_PORT }, hex('00040000 45000000')))),
    ],
    [
      'an empty datagram to the GUE port',
      ethernet(outer4(udp({ source: 1, destination: GUE_PORT }))),
    ],
    ['ARP', Uint8Array.from([...ethernet(other).subarray(0, 12), 8, 6, ...filler(28)])],
    ['less than an Ethernet header', ethernet(other).subarray(0, 14)],
  ];
  test.each(cases)('%s', (_name, frame) => {
    expect(run(frame)).toEqual({ verdict: PASS, frame: Uint8Array.from(frame) });
  });
});

describe('what contradicts itself is dropped', () => {
  const cases: [string, Layer][] = [
    ['an outer length beyond the frame', outer4(inner4(), { length: 2000 })],
    ['an outer length below the inner one', outer4(inner4(), { length: 60 })],
    ['a wrong outer checksum', outer4(inner4(), { checksum: 0x1234 })],
    ['outer options', outer4(inner4(), { options: new Uint8Array(4).fill(1) })],
    ['an inner version that is not what the outer header says', outer4(inner6(), { protocol: 4 })],
    [
      'an inner header of less than 20 octets',
      outer4(ipv4({ source: '192.0.2.1', destination: VIP, headerWords: 4 }, request())),
    ],
    [
      'an inner length beyond the outer one',
      outer4(ipv4({ source: '192.0.2.1', destination: VIP, length: 200 }, request())),
    ],
    [
      'an inner IPv6 length beyond the outer one',
      outer6(ipv6({ source: '2001:db8:1::1', destination: VIP6, length: 200 }, request())),
    ],
  ];
  test.each(cases)('%s', (_name, tunnel) => {
    expect(run(ethernet(tunnel)).verdict).toBe(DROP);
    expect(counts()).toEqual({ MALFORMED: 1 });
  });

  test('a tunnel in fragments', () => {
    const fragment = { offset: 0, more: true };
    expect(run(ethernet(outer4(inner4(), { fragment, dontFragment: false }))).verdict).toBe(DROP);
    expect(counts()).toEqual({ FRAGMENT: 1 });
  });
});

describe('lists', () => {
  test('with a list of sources, tunnels from elsewhere are refused', () => {
    checkSources();
    allowSource('10.0.0.0', 96 + 24);
    allowSource('2001:db8:6::', 48);
    expect(run(ethernet(outer4(inner4()))).verdict).toBe(PASS);
    expect(run(ethernet(outer6(inner4()))).verdict).toBe(PASS);
    expect(run(ethernet(outer4(inner4(), { source: '10.0.1.7' }))).verdict).toBe(DROP);
    expect(run(ethernet(outer6(gue(inner4()), { source: '2001:db8:7::7' }))).verdict).toBe(DROP);
    expect(counts()).toEqual({ IP4_IN_IP4: 1, IP4_IN_IP6: 1, SOURCE_REFUSED: 2 });
  });

  test('a source list does not touch what is no tunnel', () => {
    checkSources();
    const plain = ethernet(ipv4({ source: '192.0.2.1', destination: SERVER }, request()));
    expect(run(plain)).toEqual({ verdict: PASS, frame: plain });
  });

  test('with a list of VIPs, other inner destinations are dropped', () => {
    checkVips();
    object.map('decap_vips').update(mapped(ip(VIP)), new Uint8Array(4));
    expect(run(ethernet(outer4(inner4()))).verdict).toBe(PASS);
    expect(run(ethernet(outer4(inner6()))).verdict).toBe(DROP);
    expect(counts()).toEqual({ IP4_IN_IP4: 1, NOT_VIP: 1 });
  });
});
