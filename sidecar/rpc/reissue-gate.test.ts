// SPDX-License-Identifier: Apache-2.0
import { beforeEach, expect, it } from 'vitest';
import { ReissueGate } from './reissue-gate.js';

let gate: ReissueGate;
const deadline = (seconds: number) => new Date(seconds * 1000);
const through = (connections?: (generation: number) => number | undefined) =>
  gate.release(connections ?? (() => undefined)).map((order) => order.throughGeneration);

beforeEach(() => {
  gate = new ReissueGate();
  gate.order({ throughGeneration: 1, deadline: deadline(10) });
  gate.madeVoid();
});

it('waits for the acknowledgement, and then for the credit that came with it', () => {
  gate.gave(3);
  expect(through()).toEqual([]);
  gate.acknowledged(2);
  expect(through()).toEqual([]);
  gate.gave(1);
  expect(through()).toEqual([]);
  gate.gave(1);
  expect(through()).toEqual([1]);
  expect(through()).toEqual([]);
  expect(gate.held).toBe(0);
});

it('waits for no more CIDs than connections need', () => {
  gate.acknowledged(1000);
  gate.gave(4);
  expect(through(() => 5)).toEqual([]);
  expect(through(() => 4)).toEqual([1]);
});

it('does not wait where there are no connections, or no room for CIDs', () => {
  gate.acknowledged(1000);
  expect(through(() => 0)).toEqual([1]);
  gate.order({ throughGeneration: 2, deadline: deadline(10) });
  gate.madeVoid();
  gate.acknowledged(0);
  expect(through()).toEqual([2]);
});

it('begins anew when CIDs become void again', () => {
  gate.acknowledged(2);
  gate.gave(1);
  gate.madeVoid();
  gate.gave(5);
  expect(through()).toEqual([]);
  gate.acknowledged(1);
  gate.gave(1);
  expect(through()).toEqual([1]);
});

it('goes by the first acknowledgement, not by credit that comes later', () => {
  gate.acknowledged(1);
  gate.acknowledged(100);
  gate.gave(1);
  expect(through()).toEqual([1]);
});

it('gives the oldest first, and keeps a newer one back that needs more', () => {
  gate.order({ throughGeneration: 2, deadline: deadline(20) });
  gate.acknowledged(10);
  gate.gave(3);
  const connections = (generation: number) => (generation === 1 ? 3 : 5);
  expect(through(connections)).toEqual([1]);
  gate.gave(2);
  expect(through(connections)).toEqual([2]);
});

it('takes no order twice, nor one that a later one covers', () => {
  gate.order({ throughGeneration: 1, deadline: deadline(99) });
  gate.acknowledged(0);
  expect(through()).toEqual([1]);
  gate.order({ throughGeneration: 1, deadline: deadline(99) });
  expect(gate.held).toBe(0);
});

it('keeps few orders, and of two that become one the sooner deadline', () => {
  for (let generation = 2; generation <= 20; generation += 1) {
    gate.order({ throughGeneration: generation, deadline: deadline(10 * generation) });
  }
  gate.acknowledged(0);
  const orders = gate.release(() => undefined);
  expect(orders.map((order) => order.throughGeneration)).toEqual([13, 14, 15, 16, 17, 18, 19, 20]);
  expect(orders[0]?.deadline).toEqual(deadline(10));
  expect(orders[1]?.deadline).toEqual(deadline(140));
});
