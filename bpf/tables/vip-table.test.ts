// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { ArrayView } from './array-view.js';
import { VIP_BUCKET, VIP_SLOT } from './layout.js';
import { ManualClock } from './testing/manual-clock.js';
import { type VipSpec, VipTable, vipBucketsFor } from './vip-table.js';

function tableOf(buckets: number, clock = new ManualClock()): VipTable {
  return new VipTable(ArrayView.inMemory(buckets, VIP_BUCKET.size), buckets, clock);
}

function vip(i: number, more: Partial<VipSpec> = {}): VipSpec {
  const address = i % 3 === 0 ? `2001:db8::${(i + 1).toString(16)}` : `192.0.${i >> 8}.${i & 255}`;
  return { vip: i + 1, address, port: 443, protocol: 'udp', quic: true, pool: i, ring: 7, ...more };
}

describe('VipTable', () => {
  it('holds a thousand VIPs, each with its address marked', () => {
    const table = tableOf(vipBucketsFor(1000));
    const vips = Array.from({ length: 1000 }, (_, i) => vip(i));
    for (const spec of vips) table.set(spec);
    for (const spec of vips) expect(table.get(spec)).toEqual(spec);
    expect(table.list()).toHaveLength(1000);
    expect(new Set(table.markers())).toEqual(new Set(vips.map(({ address }) => address)));
  });

  it('moves others to make room, and loses none', () => {
    const clock = new ManualClock();
    const table = tableOf(64, clock);
    const vips = Array.from({ length: 52 }, (_, i) => vip(i));
    for (const spec of vips) table.set(spec);
    // With 104 of 128 slots in use some VIPs had to move, and each move waits.
    expect(clock.waited).toBeGreaterThan(0);
    for (const spec of vips) expect(table.get(spec)).toEqual(spec);
    expect(table.list()).toHaveLength(52);
  });

  it('changes a VIP in place, its pool and ring by one store', () => {
    const view = ArrayView.inMemory(8, VIP_BUCKET.size);
    const table = new VipTable(view, 8, new ManualClock());
    table.set(vip(1));
    const [short, long] = [vi.spyOn(view, 'store32'), vi.spyOn(view, 'store64')];
    const changed = vip(1, { pool: 5, ring: 0x8000_0001, quic: false, vip: 9 });
    table.set(changed);
    expect(table.get(changed)).toEqual(changed);
    expect(long.mock.calls.map(([, value]) => value)).toContain(0x8000_0001_0000_0005n);
    // No slot is empty at any moment: 8 octets are one store, and not two under a lock.
    expect(short.mock.calls.filter(([, value]) => value === 0)).toEqual([]);
    expect(long.mock.calls.every(([at]) => at % 8 === 0)).toBe(true);
    expect(Atomics.isLockFree(8)).toBe(true);
  });

  it('sweeps the mark of an address that a dead process left', () => {
    const view = ArrayView.inMemory(8, VIP_BUCKET.size);
    const clock = new ManualClock();
    const table = new VipTable(view, 8, clock);
    for (const i of [1, 2]) table.set(vip(i));
    // A process died after it had removed the VIP and before it removed the mark.
    for (let slot = 0; slot < view.octets.length; slot += VIP_SLOT.size) {
      if (view.load32(slot + VIP_SLOT.vip) === vip(1).vip) view.store32(slot + VIP_SLOT.vip, 0);
    }
    const heir = new VipTable(view, 8, clock);
    expect(heir.list()).toEqual([vip(2)]);
    expect(heir.markers()).toHaveLength(2);
    heir.sweep();
    expect(heir.markers()).toEqual([vip(2).address]);
    expect(heir.list()).toEqual([vip(2)]);
  });

  it('says when it is full', () => {
    const table = tableOf(2);
    table.set(vip(1));
    table.set(vip(2));
    expect(() => table.set(vip(4))).toThrow(/vip_table/);
    expect(table.list()).toHaveLength(2);
  });

  it('follows any sequence of changes', () => {
    const change = fc.record({
      address: fc.integer({ min: 0, max: 5 }),
      port: fc.constantFrom(0, 80, 443),
      protocol: fc.constantFrom('udp' as const, 'tcp' as const),
      ring: fc.nat(1000),
      remove: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 100 }), (changes) => {
        const table = tableOf(64);
        const model = new Map<string, VipSpec>();
        for (const { address, port, protocol, ring, remove } of changes) {
          const spec = vip(address, { port, protocol, ring, quic: protocol === 'udp' });
          const key = `${spec.address} ${port} ${protocol}`;
          if (remove) expect(table.remove(spec)).toBe(model.delete(key));
          else {
            table.set(spec);
            model.set(key, spec);
          }
        }
        const sorted = (specs: Iterable<VipSpec>) =>
          [...specs].map((s) => JSON.stringify(s)).sort();
        const canonical = [...model.values()].map((spec) => ({
          address: spec.address,
          port: spec.port,
          protocol: spec.protocol,
          vip: spec.vip,
          quic: spec.quic,
          pool: spec.pool,
          ring: spec.ring,
        }));
        expect(sorted(table.list())).toEqual(sorted(canonical));
        const addresses = new Set(canonical.map(({ address }) => address));
        expect(new Set(table.markers())).toEqual(addresses);
      }),
    );
  });
});
