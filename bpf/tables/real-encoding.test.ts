// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { ArrayView } from './array-view.js';
import { GRACE_MS } from './grace-period.js';
import { REAL } from './layout.js';
import { decodeReal, encodeReal, NO_MTU, type RealSpec } from './real-encoding.js';
import { RealTable } from './real-table.js';
import { ManualClock } from './testing/manual-clock.js';

const hop = {
  mac: Uint8Array.from([2, 0, 0, 0, 0, 9]),
  ifindex: 3,
  sourceMac: Uint8Array.from([2, 0, 0, 0, 0, 1]),
};
const web1: RealSpec = {
  address: '10.0.1.11',
  encapsulation: 'ipip',
  source4: '10.0.0.1',
  source6: '2001:db8::1',
  incarnation: 5,
};

describe('encodeReal', () => {
  it('keeps what the kernel needs, and gives it back', () => {
    const specs: RealSpec[] = [
      web1,
      { ...web1, encapsulation: 'gue', down: true },
      { ...web1, address: '2001:db8::b', nextHop: hop },
      { ...web1, address: '2001:db8::b', encapsulation: 'gue', incarnation: 65535 },
    ];
    for (const spec of specs) {
      const state = decodeReal(7, encodeReal(spec));
      expect(state).toMatchObject({
        index: 7,
        address: spec.address,
        source: spec.address.includes(':') ? spec.source6 : spec.source4,
        encapsulation: spec.encapsulation,
        incarnation: spec.incarnation,
        down: spec.down ?? false,
      });
      if (spec.nextHop !== undefined) expect(state?.nextHop).toEqual(spec.nextHop);
    }
    const l2 = decodeReal(7, encodeReal({ ...web1, encapsulation: 'l2', nextHop: hop }));
    expect(l2).toMatchObject({ address: web1.address, encapsulation: 'l2', nextHop: hop });
    expect(l2?.source).toBeUndefined();
  });

  it('sums the constant part of an IPv4 header', () => {
    const octets = encodeReal(web1);
    const view = new DataView(octets.buffer);
    // The words 45 00, 40 00 (DF), 40 00 (TTL) and 10.0.1.11, read as little-endian.
    const expected = 0x0045 + 0x0040 + 0x0040 + 0x000a + 0x0b01;
    expect(view.getUint16(REAL.checksum, true)).toBe(expected);
    // With an address of large octets the sum does not fit in 16 bits.
    const carried = new DataView(encodeReal({ ...web1, address: '223.255.255.254' }).buffer);
    const sum = 0x0045 + 0x0040 + 0x0040 + 0xffdf + 0xfeff;
    expect(carried.getUint16(REAL.checksum, true)).toBe((sum & 0xffff) + (sum >> 16));
  });

  it('refuses a tunnel without a source of the same family', () => {
    const { source6: _, ...only4 } = web1;
    expect(() => encodeReal({ ...only4, address: '2001:db8::b' })).toThrow(/IPv6 source/);
    expect(() => encodeReal({ ...web1, source4: '2001:db8::1' })).toThrow(/no IPv4 address/);
    expect(() => encodeReal({ ...web1, address: 'web-1' })).toThrow(/no IP address/);
  });
});

describe('RealTable', () => {
  const table = (clock = new ManualClock()) =>
    new RealTable(ArrayView.inMemory(8, REAL.size), clock);

  it('changes the MTU in place, and leaves the checksum', () => {
    const clock = new ManualClock();
    const view = ArrayView.inMemory(8, REAL.size);
    const reals = new RealTable(view, clock);
    reals.set(1, web1);
    expect(reals.get(1)).toMatchObject({ mtu: NO_MTU, down: false });
    reals.setMtu(1, 1400);
    expect(reals.get(1)).toMatchObject({ address: '10.0.1.11', mtu: 1400 });
    reals.set(1, { ...web1, mtu: 1400 });
    reals.set(1, { ...web1, mtu: 1300 });
    expect(reals.get(1)?.mtu).toBe(1300);
    expect(clock.waited).toBe(0);
    expect(view.value(1)).toEqual(encodeReal({ ...web1, mtu: 1300 }));
    expect(() => reals.setMtu(2, 1400)).toThrow(RangeError);
  });

  it('changes next hop and state in place', () => {
    const clock = new ManualClock();
    const reals = table(clock);
    reals.set(1, web1);
    reals.setNextHop(1, hop);
    reals.setDown(1, true);
    expect(reals.get(1)).toMatchObject({ address: '10.0.1.11', nextHop: hop, down: true });
    reals.setDown(1, false);
    expect(reals.get(1)).toMatchObject({ nextHop: hop, down: false });
    reals.set(1, { ...web1, nextHop: hop });
    expect(clock.waited).toBe(0);
  });

  it('waits before an index leads to another server', () => {
    const clock = new ManualClock();
    const reals = table(clock);
    reals.set(1, web1);
    reals.set(1, { ...web1, address: '10.0.1.12', incarnation: 6 });
    expect(clock.waited).toBe(GRACE_MS);
    expect(reals.get(1)).toMatchObject({ address: '10.0.1.12', incarnation: 6 });
    reals.clear(1);
    expect(reals.get(1)).toBeUndefined();
    expect(reals.incarnation(1)).toBe(6);
    clock.pass(GRACE_MS);
    reals.set(1, web1);
    expect(clock.waited).toBe(GRACE_MS);
  });

  it('remembers the incarnation of an index that another table had', () => {
    const reals = table();
    reals.noteIncarnation(3, 65_535);
    expect(reals.get(3)).toBeUndefined();
    expect(reals.incarnation(3)).toBe(65_535);
    reals.set(3, web1);
    expect(reals.incarnation(3)).toBe(web1.incarnation);
    expect(() => reals.noteIncarnation(3, 1)).toThrow(/is programmed/);
  });

  it('never programs index 0, nor one that is not there', () => {
    expect(() => table().set(0, web1)).toThrow(RangeError);
    expect(() => table().set(8, web1)).toThrow(RangeError);
    expect(() => table().setDown(2, true)).toThrow(/not programmed/);
  });
});
