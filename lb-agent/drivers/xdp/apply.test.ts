// SPDX-License-Identifier: Apache-2.0
import { expect, it, vi } from 'vitest';
import { type Balancer, NO_MTU, type RealState } from '../../../bpf/tables/index.js';
import { type NextHop, REPLY } from '../../reconcile/next-hop.js';
import type { RealEntry } from '../../reconcile/tables.js';
import { Applier } from './apply.js';
import { toKernel } from './next-hop.js';

const HOP: NextHop = {
  kind: 'neighbour',
  mac: new Uint8Array(6).fill(2),
  ifindex: 0,
  sourceMac: new Uint8Array(6),
};
const L2: RealEntry = {
  address: '10.9.0.2',
  encapsulation: 'l2',
  incarnation: 1,
  down: false,
  nextHop: HOP,
};

function applier(programmed?: Partial<RealState>) {
  const balancer = {
    real: () => programmed,
    setReal: vi.fn(),
    setDown: vi.fn(),
    setVip: vi.fn(),
    allocateRing: vi.fn(() => 4100),
    setRing: vi.fn(),
    freeRing: vi.fn(),
  };
  const sources = { source4: null, source6: null };
  return { balancer, applier: new Applier(balancer as unknown as Balancer, sources) };
}

it('programs an l2 server with its next hop, or down', () => {
  const { balancer, applier: each } = applier();
  each.apply({ kind: 'set-real', index: 1, real: L2 });
  const nextHop = toKernel(HOP);
  expect(balancer.setReal).toHaveBeenCalledWith(1, expect.objectContaining({ nextHop }));

  const without = applier();
  const lost = { ...L2, nextHop: REPLY };
  without.applier.apply({ kind: 'set-real', index: 1, real: { ...lost, down: true } });
  expect(without.balancer.setReal).toHaveBeenCalledOnce();
  const up = { kind: 'set-real', index: 1, real: lost } as const;
  expect(() => without.applier.apply(up)).toThrow(/without a next hop/);
  expect(without.balancer.setReal).toHaveBeenCalledOnce();
});

it('gives servers the MTU of their way, those that are programmed already too', () => {
  const balancer = {
    reals: () => [
      { index: 1, address: '10.9.0.1', mtu: NO_MTU },
      { index: 2, address: '10.9.0.2', mtu: 1400 },
      { index: 3, address: '10.9.0.3', mtu: 1400 },
      { index: 4, address: '10.9.0.4', mtu: NO_MTU },
    ],
    setMtu: vi.fn(),
    setReal: vi.fn(),
  };
  const mtus = new Map([
    ['10.9.0.1', 1400],
    ['10.9.0.2', 1400],
  ]);
  const sources = { source4: '10.0.0.1', source6: null };
  const each = new Applier(balancer as unknown as Balancer, sources, mtus);
  each.applyServerMtus();
  expect(balancer.setMtu.mock.calls).toEqual([
    [1, 1400],
    [3, NO_MTU],
  ]);
  for (const address of ['10.9.0.1', '10.9.0.4']) {
    const real = { ...L2, address, encapsulation: 'ipip' } as const;
    each.apply({ kind: 'set-real', index: 5, real });
  }
  expect(balancer.setReal.mock.calls).toMatchObject([
    [5, { mtu: 1400 }],
    [5, { mtu: NO_MTU }],
  ]);
});

it('brings an l2 server up by a next hop only', () => {
  const up = { kind: 'set-down', index: 1, down: false } as const;
  const bare = applier({ encapsulation: 'l2', nextHop: toKernel(REPLY) });
  expect(() => bare.applier.apply(up)).toThrow(/without a next hop/);
  bare.applier.apply({ ...up, down: true });
  expect(bare.balancer.setDown.mock.calls).toEqual([[1, true]]);

  for (const encapsulation of ['l2', 'ipip'] as const) {
    const nextHop = toKernel(encapsulation === 'l2' ? HOP : REPLY);
    const { balancer, applier: each } = applier({ encapsulation, nextHop });
    each.apply(up);
    expect(balancer.setDown).toHaveBeenCalledWith(1, false);
  }
});

it('knows rings by the number of the plan, and after a reading by their first entry', () => {
  const { balancer, applier: each } = applier();
  const reals = Uint32Array.of(1, 2);
  const vip = {
    address: '192.0.2.1',
    port: 1,
    protocol: 'udp',
    quic: true,
    row: 1,
    pool: 0,
  } as const;
  each.apply({ kind: 'add-ring', ring: 7, reals });
  each.apply({ kind: 'set-vip', vip: { ...vip, ring: 7 } });
  each.apply({ kind: 'set-vip', vip: { ...vip, ring: null } });
  expect(balancer.setVip.mock.calls).toMatchObject([[{ ring: 4100 }], [{ ring: 0 }]]);
  expect(each.rings).toEqual([4100]);

  each.renumberRings([4100, 9]);
  each.apply({ kind: 'change-ring', ring: 4100, reals });
  each.apply({ kind: 'free-ring', ring: 9 });
  expect(balancer.setRing.mock.lastCall).toEqual([4100, reals]);
  expect(balancer.freeRing.mock.calls).toEqual([[9]]);
  expect(() => each.apply({ kind: 'free-ring', ring: 7 })).toThrow(/no ring 7/);
});
