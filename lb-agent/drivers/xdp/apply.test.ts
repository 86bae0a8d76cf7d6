// SPDX-License-Identifier: Apache-2.0
import { expect, it, vi } from 'vitest';
import type { Balancer, NextHop, RealState } from '../../../bpf/tables/index.js';
import { REPLY } from '../../reachability/next-hops/standing.js';
import type { RealEntry } from '../../reconcile/model.js';
import { Applier } from './apply.js';

const HOP: NextHop = { mac: new Uint8Array(6).fill(2), ifindex: 0, sourceMac: new Uint8Array(6) };
const L2: RealEntry = { address: '10.9.0.2', encapsulation: 'l2', incarnation: 1, down: false };

function applier(known: NextHop | null, programmed?: Partial<RealState>) {
  const balancer = {
    vips: () => [],
    real: () => programmed,
    setReal: vi.fn(),
    setDown: vi.fn(),
  };
  const egress = { source4: null, source6: null, nextHop: () => known };
  return { balancer, applier: new Applier(balancer as unknown as Balancer, egress) };
}

it('programs an l2 server with its next hop, or down', () => {
  const there = applier(HOP);
  there.applier.apply({ kind: 'set-real', index: 1, real: L2 });
  expect(there.balancer.setReal).toHaveBeenCalledWith(1, expect.objectContaining({ nextHop: HOP }));

  const without = applier(null);
  without.applier.apply({ kind: 'set-real', index: 1, real: { ...L2, down: true } });
  expect(without.balancer.setReal).toHaveBeenCalledOnce();
  const up = { kind: 'set-real', index: 1, real: L2 } as const;
  expect(() => without.applier.apply(up)).toThrow(/without a next hop/);
  expect(without.balancer.setReal).toHaveBeenCalledOnce();
});

it('brings an l2 server up by a next hop only', () => {
  const up = { kind: 'set-down', index: 1, down: false } as const;
  const bare = applier(HOP, { encapsulation: 'l2', nextHop: REPLY });
  expect(() => bare.applier.apply(up)).toThrow(/without a next hop/);
  bare.applier.apply({ ...up, down: true });
  expect(bare.balancer.setDown.mock.calls).toEqual([[1, true]]);

  for (const encapsulation of ['l2', 'ipip'] as const) {
    const nextHop = encapsulation === 'l2' ? HOP : REPLY;
    const { balancer, applier: each } = applier(HOP, { encapsulation, nextHop });
    each.apply(up);
    expect(balancer.setDown).toHaveBeenCalledWith(1, false);
  }
});
